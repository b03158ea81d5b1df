// Keys and values of a sequence's tokens in every layer, kept beyond a forward pass.
#pragma once

#include <cstddef>

#include "base/aligned_buffer.h"
#include "rerank/error.h"

namespace rerank::models {

// Pages of kernels::kPageTokens tokens (kernel_table.h), the pages of a layer one after the other.
class KvCache {
 public:
  KvCache() = default;
  // Room for `capacity` tokens, none of them there yet.
  static Result<KvCache> make(std::size_t layers, std::size_t page_bytes, std::size_t capacity);

  // Takes over the first `tokens` tokens of `other`, which has at least as many; what was here is lost.
  void copy_from(const KvCache& other, std::size_t tokens);

  std::size_t tokens() const { return tokens_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t bytes() const { return buffer_.size(); }
  std::byte* page(std::size_t layer, std::size_t page_idx) {
    return buffer_.data() + (layer * pages_ + page_idx) * page_bytes_;
  }
  const std::byte* page(std::size_t layer, std::size_t page_idx) const {
    return buffer_.data() + (layer * pages_ + page_idx) * page_bytes_;
  }
  // Says that the next `count` tokens are stored in every layer.
  void stored(std::size_t count) { tokens_ += count; }

 private:
  AlignedBuffer buffer_;
  std::size_t layers_ = 0, pages_ = 0, page_bytes_ = 0, tokens_ = 0, capacity_ = 0;
};

}  // namespace rerank::models
