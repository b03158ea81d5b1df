// MiniCPM: Hu et al. 2024, section 3 and appendix A.1 (scaling in the manner of Tensor Programs); the remote code of
// BAAI/bge-reranker-v2-minicpm-layerwise (modeling_minicpm_reranker.py).
#include <cmath>

#include "base/try.h"
#include "models/config_values.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_minicpm(const io::Json& config) {
  RERANK_ASSIGN(DecoderConfig c, read_decoder_config(config, {}));
  RERANK_ASSIGN(c.embedding_scale, read_number(config, "scale_emb", 1e-6));
  RERANK_ASSIGN(const float depth, read_number(config, "scale_depth", 1e-6));
  // The configured depth, also where fewer layers run.
  c.residual_scale = static_cast<float>(depth / std::sqrt(static_cast<double>(c.layers)));
  RERANK_ASSIGN(const std::size_t base_width, read_size(config, "dim_model_base", kWidest));
  c.logit_scale = static_cast<float>(base_width) / static_cast<float>(c.hidden);
  return c;
}

}  // namespace rerank::models
