// Keys and values of token sequences that pairs begin with, kept so that they are computed once.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "models/kv_cache.h"

namespace rerank {

// What besides the tokens decides about keys and values.
struct PrefixVariant {
  bool attention_softcap = true;
  std::size_t layers = 0;  // for how many layers there are some
};

struct Prefix {
  std::vector<std::int32_t> ids;
  PrefixVariant variant;
  models::KvCache cache;
};

// The first `tokens` tokens of a prefix, shared between everybody who reads them.
struct SharedPrefix {
  std::shared_ptr<const Prefix> prefix;
  std::size_t tokens = 0;
};

std::size_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

// Safe to use from many threads. Holds at most `budget` bytes; what was not used for longest goes first.
class PrefixCache {
 public:
  explicit PrefixCache(std::size_t budget) : budget_(budget) {}

  // The longest beginning of `ids` that is here for the variant (or one with more layers); nothing: 0 tokens.
  SharedPrefix find(std::span<const std::int32_t> ids, const PrefixVariant& variant);
  void insert(std::shared_ptr<const Prefix> prefix);

 private:
  std::size_t budget_, bytes_ = 0;
  std::mutex mutex_;
  std::list<std::shared_ptr<const Prefix>> entries_;  // used last first
};

}  // namespace rerank
