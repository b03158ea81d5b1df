#include "engine/prefix_cache.h"

#include <algorithm>

namespace rerank {

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  const auto end = a.begin() + static_cast<std::ptrdiff_t>(shorter);
  return static_cast<std::size_t>(std::mismatch(a.begin(), end, b.begin()).first - a.begin());
}

SharedPrefix PrefixCache::find(std::span<const std::int32_t> ids, const PrefixVariant& variant) {
  const std::lock_guard lock(mutex_);
  auto best = entries_.end();
  std::size_t tokens = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const Prefix& prefix = **entry;
    if (prefix.variant.attention_softcap != variant.attention_softcap || prefix.variant.layers < variant.layers)
      continue;
    const std::size_t common = common_prefix(prefix.ids, ids);
    if (common <= tokens) continue;
    tokens = common;
    best = entry;
  }
  if (best == entries_.end()) return {};
  entries_.splice(entries_.begin(), entries_, best);
  return {entries_.front(), tokens};
}

void PrefixCache::insert(std::shared_ptr<const Prefix> prefix) {
  const std::lock_guard lock(mutex_);
  bytes_ += prefix->cache.bytes();
  entries_.push_front(std::move(prefix));
  while (bytes_ > budget_ && !entries_.empty()) {
    bytes_ -= entries_.back()->cache.bytes();
    entries_.pop_back();
  }
}

}  // namespace rerank
