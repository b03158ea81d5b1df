// What every cross-encoder is to the rooms above: token ids in, one logit a pair out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/team.h"
#include "kernels/workspace.h"
#include "models/sizes.h"
#include "models/trace.h"
#include "rerank/error.h"

namespace rerank::models {

// Sequences end to end, no padding.
struct RaggedBatch {
  std::vector<std::int32_t> token_ids;    // [tokens]
  std::vector<std::int32_t> type_ids;     // [tokens]
  std::vector<std::uint32_t> cu_seqlens;  // [pairs + 1]; pair i owns tokens cu_seqlens[i] .. cu_seqlens[i + 1]

  std::size_t tokens() const { return token_ids.size(); }
  std::size_t pairs() const { return cu_seqlens.empty() ? 0 : cu_seqlens.size() - 1; }
  std::size_t longest() const;
  // Appends one pair; `type_ids` is as long as `ids`.
  void add(std::span<const std::int32_t> ids, std::span<const std::int32_t> types);
};

// Weights are immutable: one model serves any number of threads, each with a Workspace of its own.
class SequenceClassifier {
 public:
  virtual ~SequenceClassifier() = default;

  virtual const Sizes& sizes() const = 0;

  // Logits [pairs]. A `team` does the work together, to the same bits (nullptr: the caller alone). With `trace`, every
  // layer is computed for every token and recorded; the logits are the same bits. kBadInput for a token id outside the
  // vocabulary, a type id outside its table or a sequence beyond max_positions.
  virtual Status forward(const RaggedBatch& batch, kernels::Workspace& workspace, std::span<float> logits,
                         Trace* trace = nullptr, Team* team = nullptr) const = 0;
};

}  // namespace rerank::models
