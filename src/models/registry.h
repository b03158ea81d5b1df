// The architectures that run, by the names in config.json: one row each.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/checkpoint.h"
#include "kernels/ops.h"
#include "models/load_weights.h"
#include "models/sequence_classifier.h"

namespace rerank::models {

struct ClassifierArchitecture {
  std::string_view hf_name;
  std::string_view encoder;  // the scope of its embeddings and layers
  Result<std::unique_ptr<SequenceClassifier>> (*load)(const io::Checkpoint&, const kernels::Ops&, const LoadOptions&);
};
std::span<const ClassifierArchitecture> classifier_architectures();

struct LoadedClassifier {
  std::string architecture;
  std::unique_ptr<SequenceClassifier> model;
};

// Loads the cross-encoder that `checkpoint` holds and checks that every one of its tensors was read. The checkpoint
// must outlive it: embedding tables stay mapped. kUnsupported, with the list of names, for any other architecture.
Result<LoadedClassifier> load_classifier(const io::Checkpoint& checkpoint, const kernels::Ops& ops, int threads,
                                         WeightCache* cache = nullptr);

// The architectures' own files.
Result<std::unique_ptr<SequenceClassifier>> load_bert(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                      const LoadOptions& options);
Result<std::unique_ptr<SequenceClassifier>> load_xlm_roberta(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                             const LoadOptions& options);

}  // namespace rerank::models
