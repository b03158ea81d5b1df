// Mistral: Jiang et al. 2023, section 2 (grouped queries, sliding window); transformers' modeling_mistral.py. The heads
// of Mistral Small are not hidden_size / num_attention_heads wide: head_dim says how wide.
#include "base/try.h"
#include "models/config_values.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_mistral(const io::Json& config) {
  RERANK_ASSIGN(DecoderConfig c, read_decoder_config(config, {}));
  RERANK_ASSIGN(const std::size_t window, read_size_or(config, "sliding_window", kMostRows, 0));
  c.windows.assign(c.layers, window);
  return c;
}

}  // namespace rerank::models
