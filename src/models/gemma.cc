// Gemma: Gemma Team 2024 ("Gemma: Open Models Based on Gemini Research and Technology"), section 2; transformers'
// modeling_gemma.py.
#include <cmath>

#include "base/try.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_gemma(const io::Json& config) {
  RERANK_ASSIGN(DecoderConfig c, read_decoder_config(config, {.head_dim = 256, .tied_embeddings = true}));
  c.norm_offset = 1;  // weights are stored as the difference from 1
  c.embedding_scale = std::sqrt(static_cast<float>(c.hidden));
  return c;
}

}  // namespace rerank::models
