#include "models/encoder_classifier.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::models {
namespace {

Status check_length(const RaggedBatch& batch, const Sizes& sizes) {
  const std::size_t longest = batch.longest();
  if (longest <= static_cast<std::size_t>(sizes.max_positions)) return {};
  return Error{Error::Code::kBadInput,
               fmt::format("a pair of {} tokens, but the model has positions for {}", longest, sizes.max_positions), "",
               fmt::format("use --max-length {} or less", sizes.max_positions)};
}

Sizes sizes_of(const Encoder& encoder, const ClassificationHead& head, int max_positions) {
  const EncoderConfig& c = encoder.config();
  Sizes s;
  s.layers = static_cast<int>(c.layers);
  s.hidden = static_cast<int>(c.hidden);
  s.loaded_layers = s.layers;
  s.heads = static_cast<int>(c.heads);
  s.kv_heads = s.heads;
  s.ffn = static_cast<int>(c.ffn);
  s.vocabulary = static_cast<int>(c.vocabulary);
  s.max_positions = max_positions;
  const std::size_t layer = 4 * c.hidden * (c.hidden + 1) + 2 * c.hidden * c.ffn + c.ffn + c.hidden + 4 * c.hidden;
  s.parameters = c.layers * layer + (c.vocabulary + c.positions + c.token_types + 2) * c.hidden +
                 c.hidden * (c.hidden + 1) + c.hidden + 1;
  s.packed_bytes = encoder.packed_bytes() + head.packed_bytes();
  return s;
}

}  // namespace

EncoderClassifier::EncoderClassifier(Encoder encoder, ClassificationHead head, PositionRule positions,
                                     int max_positions)
    : encoder_(std::move(encoder)),
      head_(std::move(head)),
      positions_(positions),
      sizes_(sizes_of(encoder_, head_, max_positions)) {}

Status EncoderClassifier::forward(const RaggedBatch& batch, kernels::Workspace& workspace, std::span<float> logits,
                                  Trace* trace, Team* team) const {
  RERANK_TRY(check_length(batch, sizes_));
  const std::vector<std::int32_t> position_ids = positions_(batch, encoder_.config().pad_token_id);
  RERANK_ASSIGN(const auto encoded,
                encoder_.forward(batch, position_ids, workspace, head_.scratch_bytes(batch.pairs()), trace, team));
  head_.forward(encoded, encoder_.ops().on(team), logits);
  return {};
}

}  // namespace rerank::models
