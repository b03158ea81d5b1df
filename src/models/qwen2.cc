// Qwen2 and Qwen2.5: Yang et al. 2024, section 2.2; transformers' modeling_qwen2.py.
#include <algorithm>

#include "base/try.h"
#include "models/config_values.h"
#include "models/decoder_config.h"

namespace rerank::models {

Result<DecoderConfig> read_qwen2(const io::Json& config) {
  RERANK_ASSIGN(DecoderConfig c, read_decoder_config(config, {}));
  c.query_key_value_bias = true;
  c.attention_output_bias = false;
  RERANK_ASSIGN(const bool windowed, config.boolean_or("use_sliding_window", false));
  if (windowed) {
    RERANK_ASSIGN(const std::size_t window, read_size(config, "sliding_window", kMostRows));
    RERANK_ASSIGN(const std::int64_t first, config.integer_or("max_window_layers", 28));
    const auto whole =
        static_cast<std::size_t>(std::clamp<std::int64_t>(first, 0, static_cast<std::int64_t>(c.layers)));
    std::fill(c.windows.begin() + static_cast<std::ptrdiff_t>(whole), c.windows.end(), window);
  }
  return c;
}

}  // namespace rerank::models
