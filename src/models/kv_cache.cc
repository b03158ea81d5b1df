#include "models/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/try.h"
#include "kernels/kernel_table.h"

namespace rerank::models {
namespace {

// Memory comes in slabs of about this size: small enough to follow the need, large enough for huge pages.
constexpr std::size_t kSlabBytes = std::size_t{16} << 20;

constexpr std::size_t blocks_of(std::size_t tokens) {
  return kernels::round_up(tokens, kernels::kPageTokens) / kernels::kPageTokens;
}

}  // namespace

struct KvPool::Store {
  std::size_t layers, page_bytes, capacity;
  std::size_t taken = 0;
  std::size_t made = 0;  // blocks in the slabs
  std::vector<AlignedBuffer> slabs;
  std::vector<std::byte*> fresh, used;  // blocks that nobody holds: full of zeros, or of what was there before

  // False when the machine has no more memory.
  bool add_slab() {
    const std::size_t block = layers * page_bytes;
    const std::size_t count = std::min(std::max(kSlabBytes / block, std::size_t{1}), capacity - made);
    auto slab = AlignedBuffer::allocate(count * block, "keys and values");
    if (!slab.ok()) return false;
    for (std::size_t i = count; i-- > 0;) fresh.push_back(slab.value().data() + i * block);
    made += count;
    slabs.push_back(std::move(slab).value());
    return true;
  }
};

KvPool::KvPool(std::size_t layers, std::size_t page_bytes, std::size_t budget_bytes)
    : store_(std::make_shared<Store>()) {
  store_->layers = layers;
  store_->page_bytes = page_bytes;
  store_->capacity = budget_bytes / block_bytes();
}

std::size_t KvPool::layers() const {
  return store_->layers;
}
std::size_t KvPool::page_bytes() const {
  return store_->page_bytes;
}
std::size_t KvPool::capacity() const {
  return store_->capacity;
}
std::size_t KvPool::free() const {
  return store_->capacity - store_->taken;
}

KvBlock KvPool::take() {
  Store& store = *store_;
  if (store.taken == store.capacity) return nullptr;
  if (store.fresh.empty() && store.used.empty() && !store.add_slab()) return nullptr;
  const bool clear = !store.used.empty();
  std::vector<std::byte*>& from = clear ? store.used : store.fresh;
  std::byte* block = from.back();
  from.pop_back();
  if (clear) std::memset(block, 0, block_bytes());
  ++store.taken;
  return KvBlock(block, [owner = store_](std::byte* returned) {
    --owner->taken;
    owner->used.push_back(returned);
  });
}

void KvPool::release_memory() {
  if (store_->taken > 0) return;
  store_->slabs.clear();
  store_->fresh.clear();
  store_->used.clear();
  store_->made = 0;
}

Result<KvCache> KvCache::make(std::size_t layers, std::size_t page_bytes, std::size_t capacity) {
  KvCache cache;
  cache.layers_ = layers;
  cache.page_bytes_ = page_bytes;
  const std::size_t blocks = blocks_of(capacity), block = layers * page_bytes;
  RERANK_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(blocks * block, "keys and values"));
  const auto owner = std::make_shared<AlignedBuffer>(std::move(buffer));
  for (std::size_t i = 0; i < blocks; ++i) cache.blocks_.emplace_back(owner, owner->data() + i * block);
  return cache;
}

std::size_t KvCache::capacity() const {
  return blocks_.size() * kernels::kPageTokens;
}

bool KvCache::grow(KvPool& pool, std::size_t tokens) {
  while (capacity() < tokens) {
    KvBlock block = pool.take();
    if (block == nullptr) return false;
    blocks_.push_back(std::move(block));
  }
  return true;
}

void KvCache::share(KvBlock block) {
  blocks_.push_back(std::move(block));
  tokens_ += kernels::kPageTokens;
}

void KvCache::copy_block(const KvBlock& block, std::size_t tokens) {
  std::memcpy(blocks_[tokens_ / kernels::kPageTokens].get(), block.get(), layers_ * page_bytes_);
  tokens_ += tokens;
}

void KvCache::copy_from(const KvCache& other, std::size_t tokens) {
  for (std::size_t i = 0; i < blocks_of(tokens); ++i)
    std::memcpy(blocks_[i].get(), other.blocks_[i].get(), layers_ * page_bytes_);
  tokens_ = tokens;
}

}  // namespace rerank::models
