#include "models/registry.h"

#include "base/try.h"
#include "models/architecture.h"

namespace rerank::models {
namespace {

constexpr ClassifierArchitecture kArchitectures[] = {
    {"BertForSequenceClassification", "bert", &load_bert},
    {"XLMRobertaForSequenceClassification", "roberta", &load_xlm_roberta},
};

// Buffers that old versions of transformers saved with the weights: 0, 1, 2 ... for each position.
bool is_saved_buffer(std::string_view name) {
  return name.ends_with(".embeddings.position_ids");
}

}  // namespace

std::span<const ClassifierArchitecture> classifier_architectures() {
  return kArchitectures;
}

Result<LoadedClassifier> load_classifier(const io::Checkpoint& checkpoint, const kernels::Ops& ops, int threads,
                                         WeightCache* cache) {
  RERANK_ASSIGN(const ClassifierArchitecture* architecture,
                find_architecture(checkpoint.config(), classifier_architectures()));
  RERANK_ASSIGN(const Quantization quantization, read_quantization(checkpoint.config()));
  const LoadOptions options{ops.weights(), threads, nullptr, quantization, ops.integer_layers(), cache};
  RERANK_ASSIGN(auto model, architecture->load(checkpoint, ops, options));
  RERANK_TRY(checkpoint.all_read(is_saved_buffer));
  return LoadedClassifier{std::string(architecture->hf_name), std::move(model)};
}

}  // namespace rerank::models
