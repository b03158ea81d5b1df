// TEI's /tokenize and /decode.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "base/try.h"
#include "base/utf8.h"
#include "dialects/choose_model.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using io::json_string;

// A byte may become a token, which takes a hundred bytes to tell of.
constexpr std::size_t kMostBytes = std::size_t{2} << 20;

Failure too_large() {
  return {Failure::Kind::kTooLarge,
          fmt::format("the body is larger than the {} bytes that this path takes", kMostBytes)};
}

// Positions count characters.
std::string tokens_json(const std::string& text, const std::vector<Token>& tokens) {
  std::string list;
  std::size_t byte = 0, character = 0;
  const auto character_at = [&](std::size_t position) {
    // Tokens mostly come in the order of the text.
    if (position < byte) byte = character = 0;
    character += count_code_points(std::string_view(text).substr(byte, position - byte));
    byte = position;
    return character;
  };
  for (const Token& token : tokens) {
    if (!list.empty()) list += ',';
    if (token.special) {
      list += fmt::format(R"({{"id":{},"text":{},"special":true,"start":null,"stop":null}})", token.id,
                          json_string(token.text));
      continue;
    }
    const std::size_t start = character_at(token.begin), stop = character_at(token.end);
    list += fmt::format(R"({{"id":{},"text":{},"special":false,"start":{},"stop":{}}})", token.id,
                        json_string(std::string_view(text).substr(token.begin, token.end - token.begin)), start, stop);
  }
  return "[" + list + "]";
}

Result<std::vector<std::int32_t>> read_ids(const io::Json& json) {
  std::vector<std::int32_t> ids;
  RERANK_ASSIGN(const auto array, json.array());
  std::size_t i = 0;
  for (const simdjson::dom::element element : array) {
    RERANK_ASSIGN(const std::int64_t id,
                  whole_number(json.item(element, i++), 0, std::numeric_limits<std::int32_t>::max()));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

// One list of ids, or a list of them.
Result<std::vector<std::vector<std::int32_t>>> read_lists_of_ids(const Body& body) {
  RERANK_ASSIGN(const io::Json json, body.root().get("ids"));
  RERANK_ASSIGN(const auto array, json.array());
  std::vector<std::vector<std::int32_t>> lists;
  if (array.size() > 0 && !array.at(0).is_array()) {
    RERANK_ASSIGN(auto ids, read_ids(json));
    lists.push_back(std::move(ids));
    return lists;
  }
  std::size_t i = 0;
  for (const simdjson::dom::element element : array) {
    RERANK_ASSIGN(auto ids, read_ids(json.item(element, i++)));
    lists.push_back(std::move(ids));
  }
  return lists;
}

}  // namespace

Job read_tokenize(const Asked& asked) {
  if (asked.request.body.size() > kMostBytes) return asked.refuse(too_large());
  const auto model = choose_model(asked.body, asked.catalog, false);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto inputs = asked.body.texts("inputs");
  if (!inputs.ok()) return asked.refuse(inputs.error());
  if (!inputs.value())
    return asked.refuse(invalid("the key \"inputs\" is missing: it holds a text or a list of texts"));
  if (inputs.value()->empty()) return asked.refuse(Failure{Failure::Kind::kEmpty, "`inputs` cannot be empty"});
  const auto special = asked.body.flag("add_special_tokens");
  if (!special.ok()) return asked.refuse(special.error());

  TokenizeJob job;
  job.model = std::get<ChosenModel>(model).index;
  job.special_tokens = special.value().value_or(true);
  job.texts = std::move(*inputs.value());
  job.answer_tokens = [texts = job.texts, dialect = asked.dialect,
                       path = asked.request.path](std::span<const Result<std::vector<Token>>> tokens) {
    std::string body;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].ok()) {
        HttpRequest request;
        request.path = path;
        return refuse(dialect, request, failure_of(tokens[i].error()));
      }
      if (i > 0) body += ',';
      body += tokens_json(texts[i], tokens[i].value());
    }
    return json_response("[" + body + "]");
  };
  return job;
}

Job read_decode(const Asked& asked) {
  if (asked.request.body.size() > kMostBytes) return asked.refuse(too_large());
  const auto model = choose_model(asked.body, asked.catalog, false);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto ids = read_lists_of_ids(asked.body);
  if (!ids.ok()) return asked.refuse(ids.error());
  if (ids.value().empty()) return asked.refuse(Failure{Failure::Kind::kEmpty, "`ids` cannot be empty"});
  const auto skip = asked.body.flag("skip_special_tokens");
  if (!skip.ok()) return asked.refuse(skip.error());

  TokenizeJob job;
  job.model = std::get<ChosenModel>(model).index;
  job.ids = std::move(ids).value();
  job.skip_special_tokens = skip.value().value_or(true);
  job.answer_texts = [](std::span<const std::string> texts) {
    std::vector<std::string> list;
    for (const std::string& text : texts) list.push_back(json_string(text));
    return json_response(fmt::format("[{}]", fmt::join(list, ",")));
  };
  return job;
}

}  // namespace rerank::dialects
