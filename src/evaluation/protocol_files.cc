#include "evaluation/protocol_files.h"

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <unordered_set>
#include <utility>

#include "base/try.h"
#include "io/json.h"

namespace rerank::evaluation {
namespace {

// Gives every line's object to `take`; blank lines are none.
Status for_each_object(io::LineReader lines, const std::function<Status(const io::Json&)>& take) {
  io::JsonParser parser;
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line) return {};
    if (line->text.find_first_not_of(" \t\r") == line->text.npos) continue;
    RERANK_ASSIGN(const io::Json object, parser.parse(line->text, {lines.where(line->number), Error::Code::kBadInput}));
    if (!object.is_object()) return object.expected("an object");
    RERANK_TRY(take(object));
  }
}

// The first of the members that is there; the error is about the first name.
Result<std::string> first_of(const io::Json& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (!object.find(name)) continue;
    RERANK_ASSIGN(const std::string_view text, object.string_at(name));
    return std::string(text);
  }
  RERANK_ASSIGN(const std::string_view text, object.string_at(*names.begin()));
  return std::string(text);
}

Result<std::vector<std::string>> strings_at(const io::Json& object, std::string_view name) {
  RERANK_ASSIGN(const io::Json list, object.get(name));
  RERANK_ASSIGN(const simdjson::dom::array elements, list.array());
  std::vector<std::string> strings;
  for (const simdjson::dom::element element : elements) {
    RERANK_ASSIGN(const std::string_view text, list.item(element, strings.size()).string());
    strings.emplace_back(text);
  }
  return strings;
}

Error repeated(const io::Json& object, const std::string& id) {
  return object.error(Error::Code::kBadInput, fmt::format("query \"{}\" stands in an earlier line already", id),
                      "keep one of the two lines");
}

}  // namespace

Result<IdLists> read_id_lists(io::LineReader lines) {
  IdLists lists;
  RERANK_TRY(for_each_object(std::move(lines), [&](const io::Json& object) -> Status {
    RERANK_ASSIGN(std::string id, first_of(object, {"query-id", "query_id", "_id"}));
    RERANK_ASSIGN(std::vector<std::string> passages, strings_at(object, "corpus-ids"));
    if (lists.contains(id)) return repeated(object, id);
    lists.emplace(std::move(id), std::move(passages));
    return {};
  }));
  return lists;
}

Result<Texts> read_instructions(io::LineReader lines) {
  Texts texts;
  RERANK_TRY(for_each_object(std::move(lines), [&](const io::Json& object) -> Status {
    RERANK_ASSIGN(std::string id, first_of(object, {"query-id", "_id", "id"}));
    if (!object.find("instruction")) return {};
    RERANK_ASSIGN(const std::string_view text, object.string_at("instruction"));
    if (texts.contains(id)) return repeated(object, id);
    texts.emplace(std::move(id), text);
    return {};
  }));
  return texts;
}

Result<Examples> read_examples(io::LineReader lines) {
  Examples examples;
  std::unordered_set<std::string> seen;
  const std::string name = lines.name();
  RERANK_TRY(for_each_object(std::move(lines), [&](const io::Json& object) -> Status {
    RERANK_ASSIGN(const std::string id, first_of(object, {"id"}));
    RERANK_ASSIGN(const std::vector<std::string> gold, strings_at(object, "gold_ids"));
    if (!seen.insert(id).second) return repeated(object, id);
    JudgedQuery query{id, {}};
    std::unordered_set<std::string_view> judged;
    for (const std::string& passage : gold)
      if (judged.insert(passage).second) query.judgements.push_back({passage, 1});
    if (!query.judgements.empty()) examples.qrels.queries.push_back(std::move(query));
    if (!object.find("excluded_ids")) return {};
    RERANK_ASSIGN(std::vector<std::string> excluded, strings_at(object, "excluded_ids"));
    std::erase(excluded, "N/A");
    if (!excluded.empty()) examples.excluded.emplace(id, std::move(excluded));
    return {};
  }));
  if (examples.qrels.queries.empty())
    return Error{Error::Code::kBadInput, "holds no query with a gold passage", name,
                 "a line is {\"id\", \"query\", \"gold_ids\": [...], \"excluded_ids\": [...]}"};
  return examples;
}

Result<Texts> read_prompts(io::LineReader lines) {
  std::string text;
  const std::string name = lines.name();
  while (true) {
    RERANK_ASSIGN(const std::optional<io::Line> line, lines.next());
    if (!line) break;
    text.append(line->text).append("\n");
  }
  io::JsonParser parser;
  RERANK_ASSIGN(const io::Json root, parser.parse(text, {name, Error::Code::kBadInput}));
  RERANK_ASSIGN(const simdjson::dom::object members, root.object());
  Texts prompts;
  for (const auto& [key, value] : members) {
    const io::Json member = root.member(value, key);
    RERANK_ASSIGN(const std::string_view prompt, member.string());
    if (prompt.find(kQueryPlace) == prompt.npos)
      return member.error(Error::Code::kBadInput, fmt::format("has no {}", kQueryPlace),
                          fmt::format("write {} where the query goes", kQueryPlace));
    prompts.emplace(key, prompt);
  }
  return prompts;
}

}  // namespace rerank::evaluation
