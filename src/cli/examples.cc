#include "cli/examples.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <set>

#include "base/ascii.h"
#include "base/try.h"
#include "cli/card_examples.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace rerank::cli {
namespace {

constexpr Error::Code kBad = Error::Code::kBadInput;

// The members of ScoreOptions that a file may set, by type.
template <class T>
struct Member {
  std::string_view name;
  T ScoreOptions::*member;
};
constexpr Member<bool> kFlags[] = {{"special_tokens_in_text", &ScoreOptions::special_tokens_in_text},
                                   {"normalize", &ScoreOptions::normalize},
                                   {"attention_softcap", &ScoreOptions::attention_softcap},
                                   {"share_prefixes", &ScoreOptions::share_prefixes}};
constexpr Member<int> kNumbers[] = {{"max_length", &ScoreOptions::max_length},
                                    {"query_max_length", &ScoreOptions::query_max_length},
                                    {"compress_ratio", &ScoreOptions::compress_ratio},
                                    {"top_logprobs", &ScoreOptions::top_logprobs}};
constexpr Member<std::vector<int>> kLayers[] = {{"cutoff_layers", &ScoreOptions::cutoff_layers},
                                                {"compress_layers", &ScoreOptions::compress_layers}};

std::string known_options() {
  std::vector<std::string_view> names;
  for (const auto& option : kFlags) names.push_back(option.name);
  for (const auto& option : kNumbers) names.push_back(option.name);
  for (const auto& option : kLayers) names.push_back(option.name);
  return fmt::format("use {}; other options go on the command line", fmt::join(names, ", "));
}

// Every key of an object is one of `known`, and stands once.
Status check_keys(const io::Json& json, std::initializer_list<std::string_view> known) {
  RERANK_ASSIGN(const simdjson::dom::object members, json.object());
  std::set<std::string_view> seen;
  for (const simdjson::dom::key_value_pair member : members) {
    const io::Json value = json.member(member.value, member.key);
    if (!seen.insert(member.key).second) return value.error(kBad, "the key stands twice");
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      return value.error(kBad, "is no key of the format", fmt::format("expected {}", fmt::join(known, ", ")));
  }
  return {};
}

// The items of the list at `key`, each read by `read`; at least one.
template <class T, class Read>
Result<std::vector<T>> list_at(const io::Json& json, std::string_view key, const Read& read) {
  RERANK_ASSIGN(const io::Json list, json.get(key));
  RERANK_ASSIGN(const simdjson::dom::array items, list.array());
  std::vector<T> values;
  for (const simdjson::dom::element item : items) {
    RERANK_ASSIGN(T value, read(list.item(item, values.size())));
    values.push_back(std::move(value));
  }
  if (values.empty()) return list.error(kBad, "is empty, expected at least one item");
  return values;
}

Result<std::string> read_text(const io::Json& json) {
  RERANK_ASSIGN(const std::string_view text, json.string());
  return std::string(text);
}

// A length, a count or a layer: what they may be, the engine knows.
Result<int> read_count(const io::Json& json) {
  constexpr std::int64_t kLargest = 1 << 20;
  RERANK_ASSIGN(const std::int64_t value, json.integer());
  if (value < 0 || value > kLargest) return json.error(kBad, fmt::format("is {}, expected 0 to {}", value, kLargest));
  return static_cast<int>(value);
}

Status read_option(const io::Json& options, std::string_view name, const io::Json& value, ScoreOptions& target) {
  for (const auto& option : kFlags) {
    if (option.name != name) continue;
    RERANK_ASSIGN(target.*option.member, value.boolean());
    return {};
  }
  for (const auto& option : kNumbers) {
    if (option.name != name) continue;
    RERANK_ASSIGN(target.*option.member, read_count(value));
    return {};
  }
  for (const auto& option : kLayers) {
    if (option.name != name) continue;
    RERANK_ASSIGN(target.*option.member, list_at<int>(options, name, read_count));
    return {};
  }
  return value.error(kBad, "is no option that an examples file can set", known_options());
}

Status read_options(const io::Json& options, ScoreOptions& target) {
  RERANK_ASSIGN(const simdjson::dom::object members, options.object());
  std::set<std::string_view> seen;
  for (const simdjson::dom::key_value_pair member : members) {
    const io::Json value = options.member(member.value, member.key);
    if (!seen.insert(member.key).second) return value.error(kBad, "the option stands twice");
    RERANK_TRY(read_option(options, member.key, value, target));
  }
  return {};
}

Result<ExamplePair> read_pair(const io::Json& json) {
  RERANK_ASSIGN(const simdjson::dom::array texts, json.array());
  if (texts.size() != 2) return json.error(kBad, fmt::format("has {} items, expected [QUERY, PASSAGE]", texts.size()));
  ExamplePair pair;
  RERANK_ASSIGN(pair.query, read_text(json.item(texts.at(0).value_unsafe(), 0)));
  RERANK_ASSIGN(pair.passage, read_text(json.item(texts.at(1).value_unsafe(), 1)));
  return pair;
}

Result<PrintedScore> read_printed(const io::Json& json) {
  PrintedScore printed{.values = {}, .every_layer = json.is_array()};
  if (!printed.every_layer) {
    RERANK_ASSIGN(const double value, json.number());
    printed.values.push_back(value);
    return printed;
  }
  RERANK_ASSIGN(const simdjson::dom::array layers, json.array());
  for (const simdjson::dom::element layer : layers) {
    RERANK_ASSIGN(const double value, json.item(layer, printed.values.size()).number());
    printed.values.push_back(value);
  }
  if (printed.values.empty()) return json.error(kBad, "is empty, expected a score for each cutoff layer");
  return printed;
}

// Reads "printed", and what belongs to it: "tolerance" and "why".
Status read_expected(const io::Json& json, ExamplesRun& run) {
  if (!json.find("printed")) {
    for (const char* key : {"tolerance", "why"})
      if (const auto value = json.find(key)) return value->error(kBad, "stands without \"printed\"");
    return {};
  }
  RERANK_ASSIGN(run.printed, list_at<PrintedScore>(json, "printed", read_printed));
  if (run.printed.size() != run.pairs.size())
    return json.find("printed")->error(kBad,
                                       fmt::format("has {} scores for {} pairs", run.printed.size(), run.pairs.size()));
  RERANK_ASSIGN(const io::Json tolerance, json.get("tolerance"));
  RERANK_TRY(check_keys(tolerance, {"f32", "bf16", "int8"}));
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    if (dtype == std::string_view("int8") && !tolerance.find(dtype)) continue;
    RERANK_ASSIGN(const io::Json allowed, tolerance.get(dtype));
    RERANK_ASSIGN(const double value, allowed.number());
    if (value < 0) return allowed.error(kBad, fmt::format("is {}, expected no negative number", value));
    run.tolerance[dtype] = value;
  }
  RERANK_ASSIGN(const std::string_view why, json.string_at("why"));
  run.why = why;
  return {};
}

}  // namespace

Result<Examples> parse_examples(std::string_view text, const std::string& file, const ScoreOptions& options) {
  io::JsonParser parser;
  RERANK_ASSIGN(const io::Json root, parser.parse(text, {file, kBad}));
  RERANK_TRY(check_keys(root, {"schema", "names", "method", "runs"}));
  RERANK_ASSIGN(const io::Json schema, root.get("schema"));
  RERANK_ASSIGN(const std::int64_t version, schema.integer());
  if (version != 1) return schema.error(kBad, fmt::format("is {}, expected 1", version));

  Examples examples{.file = file, .names = {}, .method = {}, .runs = {}};
  RERANK_ASSIGN(examples.names, list_at<std::string>(root, "names", read_text));
  RERANK_ASSIGN(const std::string_view method, root.string_at("method"));
  examples.method = method;
  RERANK_ASSIGN(examples.runs, list_at<ExamplesRun>(root, "runs", [&](const io::Json& json) -> Result<ExamplesRun> {
                  RERANK_TRY(check_keys(json, {"title", "options", "pairs", "printed", "tolerance", "why"}));
                  ExamplesRun run;
                  run.options = options;
                  RERANK_ASSIGN(const std::string_view title, json.string_at("title"));
                  run.title = title;
                  RERANK_ASSIGN(const io::Json own_options, json.get("options"));
                  RERANK_TRY(read_options(own_options, run.options));
                  RERANK_ASSIGN(run.pairs, list_at<ExamplePair>(json, "pairs", read_pair));
                  RERANK_TRY(read_expected(json, run));
                  return run;
                }));
  return examples;
}

Result<Examples> read_examples(const std::string& path, const ScoreOptions& options) {
  Result<io::MappedFile> file = io::MappedFile::open(path);
  if (!file.ok()) {
    file.error().code = kBad;  // an input of the user, whatever is wrong with it
    return file.error();
  }
  return parse_examples(file.value().text(), path, options);
}

Result<Examples> find_card_examples(const std::vector<std::string>& names, const ScoreOptions& options) {
  const auto last_part = [](std::string_view name) { return ascii_lower(name.substr(name.rfind('/') + 1)); };
  std::vector<Examples> cards;
  std::vector<std::string> known;
  for (const CardFile& card : card_files()) {
    RERANK_ASSIGN(Examples examples, parse_examples(card.text, std::string(card.name), options));
    known.insert(known.end(), examples.names.begin(), examples.names.end());
    cards.push_back(std::move(examples));
  }
  for (const std::string& name : names)
    for (Examples& card : cards)
      for (const std::string& card_name : card.names)
        if (last_part(card_name) == last_part(name)) return std::move(card);
  std::vector<std::string> unknown = names;
  std::erase(unknown, "");
  return Error{Error::Code::kNotFound, "no card examples are known for this model",
               fmt::format("{}", fmt::join(unknown, ", ")),
               fmt::format("give --examples FILE; there are cards of {}", fmt::join(known, ", "))};
}

}  // namespace rerank::cli
