#include "evaluation/json_pairs.h"

#include <fmt/format.h>

#include <optional>

#include "base/try.h"

namespace rerank::evaluation {
namespace {

using io::Json;

// One request of rank_llm.
Status take_request(const Json& request, std::size_t line, const TakePair& take) {
  RERANK_ASSIGN(const Json query, request.get("query"));
  RERANK_ASSIGN(const std::string query_id, text_or_number_at(query, "qid"));
  RERANK_ASSIGN(const Json candidates, request.get("candidates"));
  RERANK_ASSIGN(const simdjson::dom::array list, candidates.array());
  std::size_t index = 0;
  for (const simdjson::dom::element element : list) {
    const Json candidate = candidates.item(element, index++);
    if (!candidate.is_object()) return candidate.expected("an object");
    RERANK_ASSIGN(const std::string passage_id, text_or_number_at(candidate, "docid"));
    RERANK_ASSIGN(const Json score, candidate.get("score"));
    RERANK_TRY(take(query_id, passage_id, score, line));
  }
  return {};
}

Status take_line(const Json& object, std::size_t line, const TakePair& take) {
  if (object.find("candidates")) return take_request(object, line, take);
  RERANK_ASSIGN(const std::string query_id, text_or_number_at(object, "qid"));
  RERANK_ASSIGN(const std::string passage_id, text_or_number_at(object, "docid"));
  RERANK_ASSIGN(const Json relevance, object.get("relevance"));
  return take(query_id, passage_id, relevance, line);
}

bool is_one_a_line(const Json& object) {
  return object.find("candidates") || (object.find("qid") && object.find("docid"));
}

// {QUERY: {PASSAGE: VALUE}}, perhaps inside of other objects.
Status take_flat(const Json& object, const TakePair& take) {
  if (const std::optional<Json> results = object.find("search_results")) return take_flat(*results, take);
  RERANK_ASSIGN(const simdjson::dom::object members, object.object());
  std::optional<Json> nested;
  bool has_pairs = false;
  for (const auto& [query_id, value] : members) {
    if (query_id == "mteb_model_meta") continue;
    const Json passages = object.member(value, query_id);
    if (!passages.is_object()) return passages.expected("an object of passages and scores");
    RERANK_ASSIGN(const simdjson::dom::object pairs, passages.object());
    for (const auto& [passage_id, score] : pairs) {
      if (score.is_object()) {
        if (nested && nested->where() != passages.where())
          return object.error(Error::Code::kBadInput, "holds more than one subset", "cut out the one to read");
        nested = passages;
        break;
      }
      RERANK_TRY(take(query_id, passage_id, passages.member(score, passage_id), 0));
      has_pairs = true;
    }
  }
  if (!nested) return {};
  if (has_pairs) return nested->expected("passages and scores, like the queries before it");
  return take_flat(*nested, take);
}

}  // namespace

Result<std::string> text_or_number_at(const Json& object, std::string_view key) {
  RERANK_ASSIGN(const Json id, object.get(key));
  if (id.is_string()) {
    RERANK_ASSIGN(const std::string_view text, id.string());
    return std::string(text);
  }
  const Result<std::int64_t> number = id.integer();
  if (!number.ok()) return id.expected("a string or a whole number");
  return std::to_string(number.value());
}

bool looks_like_json(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t\r");
  return at != line.npos && (line[at] == '{' || line[at] == '[');
}

Status read_json_pairs(io::Line first, io::LineReader& lines, const BadLine& bad, const TakePair& take) {
  io::JsonParser parser;
  std::optional<io::Line> line = first;
  {
    const Result<Json> object = parser.parse(line->text, {lines.where(line->number), Error::Code::kBadInput});
    if (!object.ok() || !object.value().is_object() || !is_one_a_line(object.value())) {
      std::string text;
      while (line) {
        text.append(line->text).append("\n");
        RERANK_ASSIGN(line, lines.next());
      }
      RERANK_ASSIGN(const Json root, parser.parse(text, {lines.name(), Error::Code::kBadInput}));
      if (!root.is_array()) return take_flat(root, take);
      RERANK_ASSIGN(const simdjson::dom::array requests, root.array());
      std::size_t index = 0;
      for (const simdjson::dom::element element : requests) {
        const Json request = root.item(element, index++);
        if (!request.is_object()) return request.expected("an object with \"query\" and \"candidates\"");
        RERANK_TRY(take_request(request, 0, take));
      }
      return {};
    }
  }
  while (line) {
    if (line->text.find_first_not_of(" \t\r") != line->text.npos) {
      const auto take_one = [&]() -> Status {
        RERANK_ASSIGN(const Json object, parser.parse(line->text, {lines.where(line->number), Error::Code::kBadInput}));
        if (!object.is_object()) return object.expected("an object");
        return take_line(object, line->number, take);
      };
      if (Status status = take_one(); !status.ok()) RERANK_TRY(bad(std::move(status.error())));
    }
    RERANK_ASSIGN(line, lines.next());
  }
  return {};
}

}  // namespace rerank::evaluation
