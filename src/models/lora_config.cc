#include "models/lora_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/try.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace rerank::models {
namespace {

constexpr const char* kMergeFirst = "merge the adapter into the model with PEFT's merge_and_unload and load the result";

// Keys that have no say in what merge_and_unload computes from the saved tensors: they matter in training, name the
// modules whose tensors are in the file anyway, or tune a method that a key of its own switches on.
constexpr std::string_view kSkipped[] = {
    "task_type",    "auto_mapping",    "revision",       "inference_mode",      "target_modules",   "exclude_modules",
    "lora_dropout", "modules_to_save", "layers_pattern", "layers_to_transform", "peft_version",     "megatron_core",
    "loftq_config", "eva_config",      "corda_config",   "lora_ga_config",      "qalora_group_size"};

// Keys that read_lora_config reads by name.
constexpr std::string_view kRead[] = {
    "peft_type",     "base_model_name_or_path", "r",   "lora_alpha", "use_rslora", "rank_pattern",
    "alpha_pattern", "init_lora_weights",       "bias"};

template <std::size_t N>
bool among(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// null, false, {} and []: how a feature that is not used is written.
bool is_off(const io::Json& value) {
  if (value.is_null()) return true;
  if (value.is_object()) return value.object().value().size() == 0;
  if (value.is_array()) return value.array().value().size() == 0;
  const auto flag = value.boolean();
  return flag.ok() && !flag.value();
}

// Every key once, and none that asks for something else than plain LoRA.
Status check_keys(const io::Json& root) {
  RERANK_ASSIGN(const simdjson::dom::object members, root.object());
  std::set<std::string_view> seen;
  for (const simdjson::dom::key_value_pair member : members) {
    const io::Json value = root.member(member.value, member.key);
    if (!seen.insert(member.key).second) return value.error(Error::Code::kCorrupt, "the key stands twice");
    if (among(kSkipped, member.key) || among(kRead, member.key) || is_off(value)) continue;
    return value.error(Error::Code::kUnsupported, "adapters that use this are not supported", kMergeFirst);
  }
  return {};
}

// "pissa", "olora", "corda" and "loftq" also rewrite the base model when the adapter is loaded.
Status check_initialisation(const io::Json& root) {
  const auto value = root.find("init_lora_weights");
  if (!value || !value->is_string()) return {};
  RERANK_ASSIGN(const std::string_view method, value->string());
  static constexpr std::string_view kOnlyTheAdapter[] = {"gaussian", "eva", "orthogonal"};
  if (among(kOnlyTheAdapter, method)) return {};
  return value->error(
      Error::Code::kUnsupported,
      fmt::format("is \"{}\", which may change the base model too; expected true, false, \"gaussian\", \"eva\" or "
                  "\"orthogonal\"",
                  method),
      kMergeFirst);
}

Status check_word(const io::Json& root, std::string_view key, std::string_view only) {
  RERANK_ASSIGN(const io::Json value, root.get(key));
  RERANK_ASSIGN(const std::string_view word, value.string());
  if (word == only) return {};
  return value.error(Error::Code::kUnsupported, fmt::format("is \"{}\", expected \"{}\"", word, only), kMergeFirst);
}

// A rank, as a double: small enough to be exact, and never beyond what fits a matrix.
Result<double> rank_from(const io::Json& value) {
  constexpr std::int64_t kLargest = 1 << 24;
  RERANK_ASSIGN(const std::int64_t rank, value.integer());
  if (rank < 1 || rank > kLargest)
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected 1 to {}", rank, kLargest));
  return static_cast<double>(rank);
}

// Within what a float holds, whatever it is divided by.
Result<double> alpha_from(const io::Json& value) {
  constexpr double kLargest = 1e9;
  RERANK_ASSIGN(const double alpha, value.number());
  if (!(std::fabs(alpha) <= kLargest))
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected at most {}", alpha, kLargest));
  return alpha;
}

Result<LoraConfig::Patterns> read_patterns(const io::Json& root, std::string_view key,
                                           Result<double> (*read_value)(const io::Json&)) {
  LoraConfig::Patterns patterns;
  const auto map = root.find(key);
  if (!map) return patterns;
  RERANK_ASSIGN(const simdjson::dom::object members, map->object());
  for (const simdjson::dom::key_value_pair member : members) {
    const io::Json value = map->member(member.value, member.key);
    const bool plain = std::all_of(member.key.begin(), member.key.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
    if (!plain || member.key.empty())
      return value.error(Error::Code::kUnsupported,
                         "is for a regular expression, expected a name of letters, digits, \"_\" and \".\"",
                         kMergeFirst);
    for (const auto& [other, unused] : patterns)
      if (other == member.key) return value.error(Error::Code::kCorrupt, "the key stands twice");
    RERANK_ASSIGN(const double number, read_value(value));
    patterns.emplace_back(std::string(member.key), number);
  }
  return patterns;
}

bool fits(std::string_view pattern, std::string_view module) {
  if (module.size() < pattern.size()) return false;
  const std::size_t start = module.size() - pattern.size();
  if (start > 0 && module[start - 1] != '.') return false;
  return std::equal(pattern.begin(), pattern.end(), module.begin() + static_cast<std::ptrdiff_t>(start),
                    [](char wanted, char found) { return wanted == '.' || wanted == found; });
}

double value_of(const LoraConfig::Patterns& patterns, std::string_view module, double otherwise) {
  for (const auto& [pattern, value] : patterns)
    if (fits(pattern, module)) return value;
  return otherwise;
}

}  // namespace

std::size_t LoraConfig::rank_of(std::string_view module) const {
  return static_cast<std::size_t>(value_of(ranks, module, static_cast<double>(rank)));
}

float LoraConfig::scale_of(std::string_view module) const {
  const double r = static_cast<double>(rank_of(module));
  return static_cast<float>(value_of(alphas, module, alpha) / (rank_stabilized ? std::sqrt(r) : r));
}

Result<LoraConfig> read_lora_config(const std::filesystem::path& path) {
  RERANK_ASSIGN(const io::MappedFile file, io::MappedFile::open(path));
  RERANK_ASSIGN(const io::JsonDocument document, io::JsonDocument::parse(file.text(), file.path()));
  const io::Json& root = document.root();
  RERANK_TRY(check_word(root, "peft_type", "LORA"));
  RERANK_TRY(check_keys(root));
  RERANK_TRY(check_initialisation(root));
  RERANK_TRY(check_word(root, "bias", "none"));

  LoraConfig config;
  RERANK_ASSIGN(config.base_model, root.string_or("base_model_name_or_path", ""));
  RERANK_ASSIGN(const io::Json rank, root.get("r"));
  RERANK_ASSIGN(const double r, rank_from(rank));
  config.rank = static_cast<std::size_t>(r);
  RERANK_ASSIGN(const io::Json alpha, root.get("lora_alpha"));
  RERANK_ASSIGN(config.alpha, alpha_from(alpha));
  RERANK_ASSIGN(config.rank_stabilized, root.boolean_or("use_rslora", false));
  RERANK_ASSIGN(config.ranks, read_patterns(root, "rank_pattern", rank_from));
  RERANK_ASSIGN(config.alphas, read_patterns(root, "alpha_pattern", alpha_from));
  return config;
}

}  // namespace rerank::models
