// An encoder and its classification head as one model. The architectures differ in their tensor names and in how they
// count positions; those two are their files.
#pragma once

#include "models/classification_head.h"
#include "models/encoder.h"
#include "models/sequence_classifier.h"

namespace rerank::models {

class EncoderClassifier : public SequenceClassifier {
 public:
  // Rows of the position table [tokens] for the tokens of a batch.
  using PositionRule = std::vector<std::int32_t> (*)(const RaggedBatch& batch, std::int32_t pad_token_id);

  EncoderClassifier(Encoder encoder, ClassificationHead head, PositionRule positions, int max_positions);

  const Sizes& sizes() const override { return sizes_; }
  Status forward(const RaggedBatch& batch, kernels::Workspace& workspace, std::span<float> logits, Trace* trace,
                 Team* team) const override;

 private:
  Encoder encoder_;
  ClassificationHead head_;
  PositionRule positions_;
  Sizes sizes_;
};

}  // namespace rerank::models
