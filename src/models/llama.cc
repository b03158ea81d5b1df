// Llama 2 and 3: Touvron et al. 2023; Grattafiori et al. 2024, section 3.2 (grouped queries, the slowed rotary waves of
// Llama 3.1); transformers' modeling_llama.py.
#include "base/try.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_llama(const io::Json& config) {
  return read_decoder_config(config, {});
}

}  // namespace rerank::models
