// XLM-RoBERTa cross-encoders (BGE): Conneau et al. 2020; transformers' modeling_xlm_roberta.py,
// XLMRobertaForSequenceClassification.
#include <fmt/format.h>

#include "base/try.h"
#include "models/classification_head.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

class XlmRoberta : public SequenceClassifier {
 public:
  XlmRoberta(Encoder encoder, ClassificationHead head, Sizes sizes)
      : encoder_(std::move(encoder)), head_(std::move(head)), sizes_(sizes) {}

  const Sizes& sizes() const override { return sizes_; }

  Status forward(const RaggedBatch& batch, kernels::Workspace& workspace, std::span<float> logits,
                 Trace* trace) const override {
    RERANK_ASSIGN(const auto position_ids, positions(batch));
    RERANK_ASSIGN(const auto encoded,
                  encoder_.forward(batch, position_ids, workspace, head_.scratch_bytes(batch.pairs()), trace));
    head_.forward(encoded, encoder_.ops(), logits);
    return {};
  }

 private:
  // pad + 1, pad + 2 ... counted over tokens that are not padding; a padding token that the text itself brought has
  // position `pad`, is not counted, and is attended to like any other (create_position_ids_from_input_ids in the
  // reference).
  Result<std::vector<std::int32_t>> positions(const RaggedBatch& batch) const {
    RERANK_TRY(check_length(batch, sizes_));
    const std::int32_t pad = encoder_.config().pad_token_id;
    std::vector<std::int32_t> ids;
    for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx) {
      std::int32_t counted = 0;
      for (std::uint32_t i = batch.cu_seqlens[pair_idx]; i < batch.cu_seqlens[pair_idx + 1]; ++i)
        ids.push_back(batch.token_ids[i] == pad ? pad : pad + ++counted);
    }
    return ids;
  }

  Encoder encoder_;
  ClassificationHead head_;
  Sizes sizes_;
};

}  // namespace

Result<std::unique_ptr<SequenceClassifier>> load_xlm_roberta(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                             int threads) {
  RERANK_ASSIGN(const EncoderConfig config, read_encoder_config(checkpoint.config()));
  const auto first_position = static_cast<std::size_t>(config.pad_token_id) + 1;
  if (config.positions <= first_position)
    return checkpoint.config().error(Error::Code::kCorrupt,
                                     fmt::format("max_position_embeddings {} leaves no position after pad_token_id {}",
                                                 config.positions, config.pad_token_id));
  const io::WeightScope weights = checkpoint.weights();
  RERANK_ASSIGN(ClassificationHead head,
                ClassificationHead::load(weights, "classifier.dense", "classifier.out_proj", config.hidden, threads));
  RERANK_ASSIGN(Encoder encoder, Encoder::load(weights.scope("roberta"), config, ops, threads));
  const Sizes sizes = sizes_of(encoder, head, static_cast<int>(config.positions - first_position));
  return std::unique_ptr<SequenceClassifier>(std::make_unique<XlmRoberta>(std::move(encoder), std::move(head), sizes));
}

}  // namespace rerank::models
