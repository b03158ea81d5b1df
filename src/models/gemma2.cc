// Gemma 2: Gemma Team 2024 ("Gemma 2: Improving Open Language Models at a Practical Size"), section 2: local and global
// layers in turn, logits capped, norms before and after each block. transformers' modeling_gemma2.py; FlagEmbedding's
// gemma_model.py (CostWiseGemma).
#include <cmath>

#include "base/try.h"
#include "models/config_values.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_gemma2(const io::Json& config) {
  RERANK_ASSIGN(DecoderConfig c, read_decoder_config(config, {.head_dim = 256, .tied_embeddings = true}));
  c.norm_offset = 1;
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden));
  c.sandwich_norms = true;
  RERANK_ASSIGN(const float scalar, read_number(config, "query_pre_attn_scalar", 1e-6));
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(scalar)));
  if (config.find("attn_logit_softcapping")) {
    RERANK_ASSIGN(c.attention_softcap, read_number(config, "attn_logit_softcapping", 1e-6));
  }
  if (config.find("final_logit_softcapping")) {
    RERANK_ASSIGN(c.final_softcap, read_number(config, "final_logit_softcapping", 1e-6));
  }
  RERANK_ASSIGN(const std::size_t window, read_size_or(config, "sliding_window", kMostRows, 0));
  for (std::size_t layer = 0; layer < c.layers; layer += 2) c.windows[layer] = window;
  return c;
}

}  // namespace rerank::models
