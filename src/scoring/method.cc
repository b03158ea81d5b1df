#include "scoring/method.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "base/ascii.h"
#include "base/try.h"

namespace rerank::scoring {
namespace {

struct NamedMethod {
  Method method;
  std::string_view name;
};
constexpr std::array kMethods{
    NamedMethod{Method::kCrossEncoder, "cross-encoder"}, NamedMethod{Method::kYesLogit, "yes-logit"},
    NamedMethod{Method::kLayerwise, "layerwise"},        NamedMethod{Method::kLightweight, "lightweight"},
    NamedMethod{Method::kExpectation, "expectation"},    NamedMethod{Method::kReasoning, "reasoning"}};

constexpr Method kClassifier[] = {Method::kCrossEncoder};
constexpr Method kLayerwise[] = {Method::kLayerwise};
constexpr Method kLightweight[] = {Method::kLightweight};
constexpr Method kAnswer[] = {Method::kYesLogit};
constexpr Method kAnyAnswer[] = {Method::kYesLogit, Method::kExpectation, Method::kReasoning};

struct Row {
  std::string_view architecture;
  std::span<const Method> methods;  // that it can run; one alone needs no further evidence
};
constexpr Row kTable[] = {
    {"XLMRobertaForSequenceClassification", kClassifier},
    {"BertForSequenceClassification", kClassifier},
    {"LayerWiseMiniCPMForCausalLM", kLayerwise},
    {"CostWiseGemmaForCausalLM", kLightweight},
    {"GemmaForCausalLM", kAnswer},
    {"Gemma2ForCausalLM", kAnswer},
    {"MiniCPMForCausalLM", kAnswer},
    {"Qwen2ForCausalLM", kAnyAnswer},
    {"LlamaForCausalLM", kAnyAnswer},
    {"MistralForCausalLM", kAnyAnswer},
};

// What the names of published models contain, in lower case.
struct KnownName {
  std::string_view name;
  Method method;
};
constexpr KnownName kKnownNames[] = {
    {"lb-reranker", Method::kExpectation}, {"rank1", Method::kReasoning}, {"bge-reranker-v2-gemma", Method::kYesLogit}};

std::optional<Method> method_by_name(std::string_view model_name) {
  const std::string text = ascii_lower(model_name);
  for (const KnownName& known : kKnownNames) {
    const std::size_t at = text.find(known.name);
    if (at == std::string::npos) continue;
    const char next = text[at + known.name.size()];     // '\0' at the end
    if (next < '0' || next > '9') return known.method;  // "rank1-7b", but not "rank100"
  }
  return std::nullopt;
}

std::string names_of(std::span<const Method> methods) {
  std::string names;
  for (const Method method : methods) names += fmt::format("{}{}", names.empty() ? "" : ", ", name_of(method));
  return names;
}

Result<const Row*> find_row(const io::Json& config) {
  RERANK_ASSIGN(const io::Json architectures, config.get("architectures"));
  RERANK_ASSIGN(const auto list, architectures.array());
  if (list.size() == 0) return architectures.error(Error::Code::kCorrupt, "is empty, expected the architecture's name");
  RERANK_ASSIGN(const std::string_view name, architectures.item(list.at(0), 0).string());
  for (const Row& row : kTable)
    if (row.architecture == name) return &row;
  std::string supported;
  for (const Row& row : kTable) supported += fmt::format("{}{}", supported.empty() ? "" : ", ", row.architecture);
  return architectures.error(Error::Code::kUnsupported, fmt::format("the architecture {} is not supported", name),
                             "supported: " + supported);
}

Result<DetectedMethod> check_asked(const Row& row, std::string_view asked) {
  const auto* const named = std::find_if(kMethods.begin(), kMethods.end(),
                                         [&](const NamedMethod& candidate) { return candidate.name == asked; });
  if (named == kMethods.end()) {
    std::vector<Method> all;
    for (const NamedMethod& method : kMethods) all.push_back(method.method);
    return Error{Error::Code::kBadInput, fmt::format("\"{}\" is no method", asked), "--method",
                 "one of: " + names_of(all)};
  }
  if (std::find(row.methods.begin(), row.methods.end(), named->method) == row.methods.end())
    return Error{Error::Code::kUnsupported, fmt::format("{} cannot run as {}", row.architecture, asked), "--method",
                 fmt::format("it can run as: {}", names_of(row.methods))};
  return DetectedMethod{named->method, "--method asks for it"};
}

}  // namespace

std::string_view name_of(Method method) {
  for (const NamedMethod& named : kMethods)
    if (named.method == method) return named.name;
  return {};
}

Result<DetectedMethod> detect_method(const io::Json& config, std::string_view checkpoint_path, std::string_view asked) {
  RERANK_ASSIGN(const Row* row, find_row(config));
  if (!asked.empty()) return check_asked(*row, asked);
  if (row->methods.size() == 1)
    return DetectedMethod{row->methods.front(), fmt::format("config.json names {}", row->architecture)};

  RERANK_ASSIGN(const std::string name, config.string_or("_name_or_path", ""));
  if (const auto method = method_by_name(name)) return DetectedMethod{*method, "_name_or_path is " + name};
  const std::filesystem::path path(checkpoint_path);
  const std::vector<std::string> folders(path.begin(), path.end());
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder)
    if (const auto method = method_by_name(*folder)) return DetectedMethod{*method, "it lies in " + *folder};
  return Error{Error::Code::kUnsupported,
               fmt::format("{} can run as {}, and no name says which", row->architecture, names_of(row->methods)),
               std::string(checkpoint_path), "--method is needed"};
}

}  // namespace rerank::scoring
