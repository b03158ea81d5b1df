#include "models/classification_head.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::models {
namespace {

struct HeadBuffers {
  HeadBuffers(kernels::Carver& carver, std::size_t pairs, std::size_t hidden)
      : tiles(kernels::carve_tiles<Hidden>(carver, pairs, hidden, kernels::Element::kF32)),
        pooled(kernels::carve_tiles<Hidden>(carver, pairs, hidden, kernels::Element::kF32)),
        logits(kernels::carve_acts<Labels>(carver, pairs, 1)) {}

  kernels::Tiles<Hidden> tiles, pooled;
  kernels::Acts<Labels> logits;
};

}  // namespace

Result<ClassificationHead> ClassificationHead::load(const io::WeightScope& scope, std::string_view dense,
                                                    std::string_view label, std::size_t hidden, int threads) {
  for (const std::string_view name : {dense, label})
    if (!scope.scope(name).has("weight"))
      return Error{Error::Code::kNotFound, fmt::format("the classification head is missing: no tensor {}.weight", name),
                   "weights", "use a checkpoint that was trained as a reranker, not its base model"};
  ClassificationHead head;
  const LoadOptions options{kernels::Element::kF32, threads};
  RERANK_ASSIGN(auto packed_dense, load_linear(scope, dense, hidden, hidden, Bias::kRequired, options));
  RERANK_ASSIGN(auto packed_label, load_linear(scope, label, 1, hidden, Bias::kRequired, options));
  head.dense_ = kernels::Weight<Hidden, Hidden>(std::move(packed_dense));
  head.label_ = kernels::Weight<Labels, Hidden>(std::move(packed_label));
  return head;
}

std::size_t ClassificationHead::scratch_bytes(std::size_t pairs) const {
  kernels::Carver measure(nullptr);
  HeadBuffers(measure, pairs, dense_.in());
  return measure.used();
}

void ClassificationHead::forward(const Encoder::Output& encoded, const kernels::Ops& ops,
                                 std::span<float> logits) const {
  kernels::Carver carver = encoded.head;
  const HeadBuffers b(carver, logits.size(), dense_.in());
  ops.to_tiles(encoded.first_tokens, b.tiles);
  ops.linear(b.tiles, dense_, kernels::Activation::kTanh, b.pooled, encoded.linear_scratch);
  ops.linear(b.pooled, label_, kernels::Activation::kNone, b.logits, encoded.linear_scratch);
  for (std::size_t pair_idx = 0; pair_idx < logits.size(); ++pair_idx) logits[pair_idx] = b.logits.row(pair_idx)[0];
}

}  // namespace rerank::models
