// dense, tanh, one label: how BERT's pooler with its classifier and XLM-RoBERTa's head read the first token. Held and
// computed in f32 whatever the dtype of the backbone: it is two small products a pair.
#pragma once

#include "kernels/ops.h"
#include "models/encoder.h"

namespace rerank::models {

class ClassificationHead {
 public:
  // `dense` is [hidden, hidden], `label` [1, hidden], each with a bias, by their names below `scope`. kNotFound says
  // that the checkpoint has no classification head.
  static Result<ClassificationHead> load(const io::WeightScope& scope, std::string_view dense, std::string_view label,
                                         std::size_t hidden, int threads);

  std::size_t scratch_bytes(std::size_t pairs) const;
  std::size_t packed_bytes() const { return dense_.bytes() + label_.bytes(); }

  // Logits [pairs] of the first tokens' hidden states.
  void forward(const Encoder::Output& encoded, const kernels::Ops& ops, std::span<float> logits) const;

 private:
  kernels::Weight<Hidden, Hidden> dense_;
  kernels::Weight<Labels, Hidden> label_;
};

}  // namespace rerank::models
