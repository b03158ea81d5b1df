// BERT cross-encoders (MiniLM, ms-marco): Devlin et al. 2019; transformers' modeling_bert.py,
// BertForSequenceClassification.
#include "base/try.h"
#include "models/encoder_classifier.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

// 0, 1, 2 ... in each pair.
std::vector<std::int32_t> positions(const RaggedBatch& batch, std::int32_t /*pad_token_id*/) {
  std::vector<std::int32_t> ids;
  for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx)
    for (std::uint32_t i = batch.cu_seqlens[pair_idx]; i < batch.cu_seqlens[pair_idx + 1]; ++i)
      ids.push_back(static_cast<std::int32_t>(i - batch.cu_seqlens[pair_idx]));
  return ids;
}

}  // namespace

Result<std::unique_ptr<SequenceClassifier>> load_bert(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                      const LoadOptions& options) {
  RERANK_ASSIGN(const EncoderConfig config, read_encoder_config(checkpoint.config()));
  const io::WeightScope weights = checkpoint.weights();
  RERANK_ASSIGN(ClassificationHead head,
                ClassificationHead::load(weights, "bert.pooler.dense", "classifier", config.hidden, options.threads));
  RERANK_ASSIGN(Encoder encoder, Encoder::load(weights.scope("bert"), config, ops, options));
  return std::unique_ptr<SequenceClassifier>(std::make_unique<EncoderClassifier>(
      std::move(encoder), std::move(head), &positions, static_cast<int>(config.positions)));
}

}  // namespace rerank::models
