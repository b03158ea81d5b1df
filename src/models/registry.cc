#include "models/registry.h"

#include "base/try.h"
#include "models/architecture.h"

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

// Buffers that old versions of transformers saved with the weights: 0, 1, 2 ... for each position.
bool is_saved_buffer(std::string_view name) {
  return name.ends_with(".embeddings.position_ids");
}

}  // namespace

Result<LoadedClassifier> load_classifier(const io::Checkpoint& checkpoint, const kernels::Ops& ops, int threads) {
  RERANK_ASSIGN(const Architecture* architecture,
                find_architecture(checkpoint.config(), std::span<const Architecture>(kArchitectures)));
  RERANK_ASSIGN(auto model, architecture->load(checkpoint, ops, threads));
  RERANK_TRY(checkpoint.all_read(is_saved_buffer));
  return LoadedClassifier{std::string(architecture->hf_name), std::move(model)};
}

}  // namespace rerank::models
