// XLM-RoBERTa cross-encoders (BGE): Conneau et al. 2020; transformers' modeling_xlm_roberta.py,
// XLMRobertaForSequenceClassification.
#include <fmt/format.h>

#include "base/try.h"
#include "models/encoder_classifier.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

// pad + 1, pad + 2 ... counted over tokens that are not padding; a padding token that the text itself brought has
// position `pad`, is not counted, and is attended to like any other (create_position_ids_from_input_ids in the
// reference).
std::vector<std::int32_t> positions(const RaggedBatch& batch, std::int32_t pad) {
  std::vector<std::int32_t> ids;
  for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx) {
    std::int32_t counted = 0;
    for (std::uint32_t i = batch.cu_seqlens[pair_idx]; i < batch.cu_seqlens[pair_idx + 1]; ++i)
      ids.push_back(batch.token_ids[i] == pad ? pad : pad + ++counted);
  }
  return ids;
}

}  // namespace

Result<std::unique_ptr<SequenceClassifier>> load_xlm_roberta(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                                             const LoadOptions& options) {
  RERANK_ASSIGN(const EncoderConfig config, read_encoder_config(checkpoint.config()));
  const auto first_position = static_cast<std::size_t>(config.pad_token_id) + 1;
  if (config.positions <= first_position)
    return checkpoint.config().error(Error::Code::kCorrupt,
                                     fmt::format("max_position_embeddings {} leaves no position after pad_token_id {}",
                                                 config.positions, config.pad_token_id));
  const io::WeightScope weights = checkpoint.weights();
  RERANK_ASSIGN(ClassificationHead head, ClassificationHead::load(weights, "classifier.dense", "classifier.out_proj",
                                                                  config.hidden, options.threads));
  RERANK_ASSIGN(Encoder encoder, Encoder::load(weights.scope("roberta"), config, ops, options));
  return std::unique_ptr<SequenceClassifier>(std::make_unique<EncoderClassifier>(
      std::move(encoder), std::move(head), &positions, static_cast<int>(config.positions - first_position)));
}

}  // namespace rerank::models
