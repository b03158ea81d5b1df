// BERT cross-encoders (MiniLM, ms-marco): Devlin et al. 2019; transformers' modeling_bert.py,
// BertForSequenceClassification.
#include <fmt/format.h>

#include "base/try.h"
#include "models/classification_head.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

class Bert : public SequenceClassifier {
 public:
  Bert(Encoder encoder, ClassificationHead head, Sizes sizes)
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
  // 0, 1, 2 ... in each pair.
  Result<std::vector<std::int32_t>> positions(const RaggedBatch& batch) const {
    RERANK_TRY(check_length(batch, sizes_));
    std::vector<std::int32_t> ids;
    for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx)
      for (std::uint32_t i = batch.cu_seqlens[pair_idx]; i < batch.cu_seqlens[pair_idx + 1]; ++i)
        ids.push_back(static_cast<std::int32_t>(i - batch.cu_seqlens[pair_idx]));
    return ids;
  }

  Encoder encoder_;
  ClassificationHead head_;
  Sizes sizes_;
};

}  // namespace

Result<std::unique_ptr<SequenceClassifier>> load_bert(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                      int threads) {
  RERANK_ASSIGN(const EncoderConfig config, read_encoder_config(checkpoint.config()));
  const io::WeightScope weights = checkpoint.weights();
  RERANK_ASSIGN(ClassificationHead head,
                ClassificationHead::load(weights, "bert.pooler.dense", "classifier", config.hidden, threads));
  RERANK_ASSIGN(Encoder encoder, Encoder::load(weights.scope("bert"), config, ops, threads));
  const Sizes sizes = sizes_of(encoder, head, static_cast<int>(config.positions));
  return std::unique_ptr<SequenceClassifier>(std::make_unique<Bert>(std::move(encoder), std::move(head), sizes));
}

}  // namespace rerank::models
