// Scores that are one number: a linear head, or one row of the vocabulary, on the last token's state.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/ops.h"
#include "models/decoder_config.h"
#include "models/load_weights.h"

namespace rerank::models {

// The layers that have a head: first, first + step, ... last. Their numbers count finished layers, from 1.
struct CutoffRange {
  std::size_t first = 0, last = 0, step = 1;
  std::size_t heads() const { return (last - first) / step + 1; }
};

// "start_layer" and, for Gemma 2, "layer_sep". kUnsupported unless there is one head a layer with one output.
Result<CutoffRange> read_cutoff_range(const io::Json& config, const DecoderConfig& decoder);

class LayerHeads {
 public:
  // "lm_head.K.linear_head.weight" [1, hidden] for each K of the range.
  static Result<LayerHeads> load(const io::WeightScope& scope, const CutoffRange& range, const DecoderConfig& config,
                                 const LoadOptions& options);
  // One row of the vocabulary matrix [vocabulary, hidden].
  static Result<LayerHeads> load_answer(const io::Tensor& vocabulary, std::int32_t answer, const DecoderConfig& config,
                                        const LoadOptions& options);
  // The same of integers: the row is held as the numbers that they stand for.
  static Result<LayerHeads> load_answer(const QuantizedMatrix& vocabulary, std::int32_t answer,
                                        const DecoderConfig& config, const LoadOptions& options);

  std::size_t heads() const { return heads_; }
  std::size_t packed_bytes() const { return weight_.bytes(); }

  // scores[r] = head `head` on row r of `states` [rows, hidden].
  Status read(std::span<const float> states, std::size_t head, const kernels::Ops& ops, kernels::Workspace& workspace,
              std::span<float> scores) const;

 private:
  static LayerHeads of_answer(kernels::PackedWeight row, const DecoderConfig& config);

  kernels::Weight<Labels, Hidden> weight_;  // [heads, hidden], f32
  std::size_t heads_ = 0, hidden_ = 0;
  float state_scale_ = 1, softcap_ = 0;
};

}  // namespace rerank::models
