// The whole vocabulary's logits, read as they are made: no row of them is ever stored.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/ops.h"
#include "models/decoder_config.h"
#include "models/load_weights.h"

namespace rerank::models {

struct VocabularyRows;  // axis: token ids

class Vocabulary {
 public:
  // `matrix` is [vocabulary, hidden]; its pages are given back.
  static Result<Vocabulary> load(const io::Tensor& matrix, const DecoderConfig& config, const LoadOptions& options);
  // The same of integers, which are packed as they are.
  static Result<Vocabulary> load(const QuantizedMatrix& matrix, const DecoderConfig& config,
                                 const LoadOptions& options);

  const std::shared_ptr<const kernels::Weight<VocabularyRows, Hidden>>& weight() const { return weight_; }
  std::size_t packed_bytes() const { return weight_->bytes(); }

  // What the softmax over the vocabulary says of one token.
  struct Reading {
    double log_probability = 0;
    std::size_t rank = 0;  // how many tokens are likelier; of equal ones the lower id goes first
  };
  // readings[r * tokens + t]: token t after row r of `states` [rows, hidden]. Ranks only if `with_ranks`; they cost a
  // comparison a logit. The work of a row does not depend on the other rows, nor on ops.team().
  Status read(std::span<const float> states, std::span<const std::int32_t> tokens, bool with_ranks,
              const kernels::Ops& ops, kernels::Workspace& workspace, std::span<Reading> readings) const;

  // What is wanted of a row.
  struct Question {
    std::span<const std::int32_t> watched;  // tokens below the vocabulary's size
    bool with_ranks = true;                 // of the watched ones
    std::size_t top = 0;                    // the likeliest tokens
  };
  struct Answer {
    std::vector<Reading> watched;
    std::vector<std::pair<std::int32_t, double>> top;  // with log-probabilities; best first, of equal ones the lower id
    double log_sum_exp = 0;                            // of the logits
    bool finite = true;                                // false: there is a logit that is no number; the rest is void
  };
  // The same for rows that want different things; question and answer r belong to row r of `states`.
  Status answer(std::span<const float> states, std::span<const Question> questions, const kernels::Ops& ops,
                kernels::Workspace& workspace, std::span<Answer> answers) const;

 private:
  class Survey;

  Vocabulary(kernels::PackedWeight weight, const DecoderConfig& config);

  std::shared_ptr<const kernels::Weight<VocabularyRows, Hidden>> weight_;
  std::size_t size_, hidden_;
  float state_scale_, softcap_;
};

}  // namespace rerank::models
