// Keys and values of a sequence's tokens in every layer, kept beyond a forward pass, in blocks that sequences may
// share.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "rerank/error.h"

namespace rerank::models {

// The pages (kernel_table.h) of kernels::kPageTokens neighbouring tokens, one a layer, one after the other. It lives
// as long as somebody holds it.
using KvBlock = std::shared_ptr<std::byte>;

// Blocks for many sequences, up to a number of bytes. Not for several threads at a time.
class KvPool {
 public:
  KvPool(std::size_t layers, std::size_t page_bytes, std::size_t budget_bytes);

  std::size_t layers() const;
  std::size_t page_bytes() const;
  std::size_t block_bytes() const { return layers() * page_bytes(); }
  std::size_t capacity() const;  // blocks
  std::size_t free() const;      // blocks that can still be taken

  // A block of zeros; nullptr when the budget is used up or the machine has no more memory. It goes back to the pool,
  // which it may outlive, when nobody holds it any more.
  KvBlock take();
  // Gives the memory back, if no block is taken.
  void release_memory();

 private:
  struct Store;
  std::shared_ptr<Store> store_;
};

// The blocks of one sequence, in order.
class KvCache {
 public:
  KvCache() = default;
  KvCache(KvCache&&) = default;
  KvCache& operator=(KvCache&&) = default;
  // Room for `capacity` tokens, none of them there yet, in memory of its own.
  static Result<KvCache> make(std::size_t layers, std::size_t page_bytes, std::size_t capacity);
  // No room at first; grow() makes some.
  explicit KvCache(const KvPool& pool) : layers_(pool.layers()), page_bytes_(pool.page_bytes()) {}

  // Room for `tokens` tokens; false when the pool runs dry on the way.
  bool grow(KvPool& pool, std::size_t tokens);
  // Takes over the next kernels::kPageTokens tokens of a sequence with the same tokens up to there. The block is only
  // read from now on, by everybody.
  void share(KvBlock block);
  // Takes over the first `tokens` tokens of `block`, as the next ones here; there must be room.
  void copy_block(const KvBlock& block, std::size_t tokens);

  // Takes over the first `tokens` tokens of `other`, which has at least as many; what was here is lost.
  void copy_from(const KvCache& other, std::size_t tokens);

  std::size_t tokens() const { return tokens_; }
  std::size_t capacity() const;
  std::size_t bytes() const { return blocks_.size() * layers_ * page_bytes_; }
  const KvBlock& block(std::size_t block_idx) const { return blocks_[block_idx]; }
  std::byte* page(std::size_t layer, std::size_t page_idx) { return blocks_[page_idx].get() + layer * page_bytes_; }
  const std::byte* page(std::size_t layer, std::size_t page_idx) const {
    return blocks_[page_idx].get() + layer * page_bytes_;
  }
  // Says that the next `count` tokens are stored in every layer.
  void stored(std::size_t count) { tokens_ += count; }

 private:
  std::vector<KvBlock> blocks_;
  std::size_t layers_ = 0, page_bytes_ = 0, tokens_ = 0;
};

}  // namespace rerank::models
