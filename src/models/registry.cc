#include "models/registry.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::models {
namespace {

struct Architecture {
  std::string_view hf_name;
  Result<std::unique_ptr<SequenceClassifier>> (*load)(const io::Checkpoint&, const kernels::Ops&, int threads);
};
constexpr Architecture kArchitectures[] = {
    {"BertForSequenceClassification", &load_bert},
    {"XLMRobertaForSequenceClassification", &load_xlm_roberta},
};

Result<const Architecture*> find_architecture(const io::Json& config) {
  RERANK_ASSIGN(const io::Json names, config.get("architectures"));
  RERANK_ASSIGN(const auto array, names.array());
  if (array.size() != 1)
    return names.error(Error::Code::kUnsupported, fmt::format("lists {} names, expected one", array.size()));
  RERANK_ASSIGN(const std::string_view name, names.item(array.at(0), 0).string());
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.hf_name == name) return &architecture;
    supported += fmt::format("{}{}", supported.empty() ? "" : ", ", architecture.hf_name);
  }
  return names.error(Error::Code::kUnsupported, fmt::format("\"{}\" is not an architecture that runs here", name),
                     fmt::format("supported are {}", supported));
}

// Buffers that old versions of transformers saved with the weights: 0, 1, 2 ... for each position.
bool is_saved_buffer(std::string_view name) {
  return name.ends_with(".embeddings.position_ids");
}

}  // namespace

Result<LoadedClassifier> load_classifier(const io::Checkpoint& checkpoint, const kernels::Ops& ops, int threads) {
  RERANK_ASSIGN(const Architecture* architecture, find_architecture(checkpoint.config()));
  RERANK_ASSIGN(auto model, architecture->load(checkpoint, ops, threads));
  RERANK_TRY(checkpoint.all_read(is_saved_buffer));
  return LoadedClassifier{std::string(architecture->hf_name), std::move(model)};
}

}  // namespace rerank::models
