#include "engine/embedded_model.h"

extern "C" {
extern const char rerank_embedded_config[], rerank_embedded_config_end[];
extern const char rerank_embedded_weights[], rerank_embedded_weights_end[];
extern const char rerank_embedded_tokenizer[], rerank_embedded_tokenizer_end[];
extern const char rerank_embedded_tokenizer_config[], rerank_embedded_tokenizer_config_end[];
}

namespace rerank {
namespace {

std::string_view text(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

io::EmbeddedCheckpoint embedded_checkpoint() {
  const std::string_view weights = text(rerank_embedded_weights, rerank_embedded_weights_end);
  return {"embedded", text(rerank_embedded_config, rerank_embedded_config_end),
          std::as_bytes(std::span(weights.data(), weights.size())),
          text(rerank_embedded_tokenizer, rerank_embedded_tokenizer_end),
          text(rerank_embedded_tokenizer_config, rerank_embedded_tokenizer_config_end)};
}

}  // namespace rerank
