// Scores that were computed before, so that they need not be computed again: of one model, found by settings and texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/siphash.h"
#include "rerank/engine.h"

namespace rerank {

// Safe to use from many threads. Holds about `budget` bytes at most; what was not used for longest goes first. Texts
// are not kept, only a keyed hash of 128 bits: two pairs that share one are not to be met with, nor to be made.
class ScoreCache {
 public:
  using Key = SipHash::Digest;

  // What of a key all pairs of a call share.
  class Settings {
   public:
    Settings(const ScoreCache& cache, const ScoreOptions& options);
    Key key_of(const Pair& pair) const;

   private:
    SipHash hash_;
  };

  explicit ScoreCache(std::size_t budget) : budget_(budget), hash_key_(SipHash::random_key()) {}

  std::optional<Score> find(const Key& key);
  void insert(const Key& key, const Score& score);
  std::size_t bytes() const;

 private:
  struct Entry {
    Key key;
    Score score;
  };
  struct FirstWord {
    std::size_t operator()(const Key& key) const { return key[0]; }
  };
  static std::size_t bytes_of(const Score& score);

  std::size_t budget_, bytes_ = 0;
  SipHash::Key hash_key_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
  std::unordered_map<Key, std::list<Entry>::iterator, FirstWord> by_key_;
};

}  // namespace rerank
