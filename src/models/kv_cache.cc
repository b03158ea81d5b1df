#include "models/kv_cache.h"

#include <cstring>

#include "base/try.h"
#include "kernels/kernel_table.h"

namespace rerank::models {

Result<KvCache> KvCache::make(std::size_t layers, std::size_t page_bytes, std::size_t capacity) {
  KvCache cache;
  cache.layers_ = layers;
  cache.pages_ = kernels::round_up(capacity, kernels::kPageTokens) / kernels::kPageTokens;
  cache.page_bytes_ = page_bytes;
  cache.capacity_ = cache.pages_ * kernels::kPageTokens;
  RERANK_ASSIGN(cache.buffer_, AlignedBuffer::allocate(layers * cache.pages_ * page_bytes, "keys and values"));
  return cache;
}

void KvCache::copy_from(const KvCache& other, std::size_t tokens) {
  const std::size_t pages = kernels::round_up(tokens, kernels::kPageTokens) / kernels::kPageTokens;
  for (std::size_t layer = 0; layer < layers_; ++layer)
    std::memcpy(page(layer, 0), other.page(layer, 0), pages * page_bytes_);
  tokens_ = tokens;
}

}  // namespace rerank::models
