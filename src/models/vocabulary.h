// The whole vocabulary's logits, read as they are made: no row of them is ever stored.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/ops.h"
#include "models/decoder_config.h"
#include "models/load_weights.h"

namespace rerank::models {

struct VocabularyRows;  // axis: token ids

class Vocabulary {
 public:
  // `matrix` is [vocabulary, hidden]; its pages are given back.
  static Result<Vocabulary> load(const io::Tensor& matrix, const DecoderConfig& config, const LoadOptions& options);

  const std::shared_ptr<const kernels::Weight<VocabularyRows, Hidden>>& weight() const { return weight_; }
  std::size_t packed_bytes() const { return weight_->bytes(); }

  // What the softmax over the vocabulary says of a few tokens.
  struct Reading {
    double log_probability = 0;
    std::size_t rank = 0;  // how many tokens are likelier; of equal ones the lower id goes first
  };
  // readings[r * tokens + t]: token t after row r of `states` [rows, hidden]. Ranks only if `with_ranks`; they cost a
  // comparison a logit. The work of a row does not depend on the other rows.
  Status read(std::span<const float> states, std::span<const std::int32_t> tokens, bool with_ranks,
              const kernels::Ops& ops, kernels::Workspace& workspace, std::span<Reading> readings) const;

 private:
  std::shared_ptr<const kernels::Weight<VocabularyRows, Hidden>> weight_;
  std::size_t size_ = 0, hidden_ = 0;
  float state_scale_ = 1, softcap_ = 0;
};

}  // namespace rerank::models
