// The ids of words that were seen lately. Bounded: a table of fixed size in which a new word takes the place of an old
// one.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"

namespace rerank::tokenizer {

class WordCache {
 public:
  static bool fits(std::string_view word) { return word.size() <= kMaxWord; }

  // Appends the ids of `word`, or returns false. `hash` is hash_bytes(word), and `word` must fit.
  bool append(std::string_view word, std::uint64_t hash, std::vector<std::int32_t>& ids) const {
    if (entries_.empty()) return false;
    const Entry& entry = entries_[hash >> 32 & (kEntries - 1)];
    if (entry.tag != static_cast<std::uint32_t>(hash) || entry.length != word.size() || entry.count == 0 ||
        std::memcmp(entry.word, word.data(), word.size()) != 0)
      return false;
    ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
    return true;
  }

  void store(std::string_view word, std::uint64_t hash, std::span<const std::int32_t> ids) {
    if (ids.empty() || ids.size() > kMaxIds) return;
    if (entries_.empty()) entries_.resize(kEntries);
    Entry& entry = entries_[hash >> 32 & (kEntries - 1)];
    entry.tag = static_cast<std::uint32_t>(hash);
    entry.length = static_cast<std::uint8_t>(word.size());
    entry.count = static_cast<std::uint8_t>(ids.size());
    std::memcpy(entry.word, word.data(), word.size());
    std::memcpy(entry.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr std::size_t kMaxWord = 30, kMaxIds = 7, kEntries = 1 << 14;
  struct Entry {  // one cache line
    std::uint32_t tag = 0;
    std::uint8_t length = 0, count = 0;
    char word[kMaxWord] = {};
    std::int32_t ids[kMaxIds] = {};
  };
  static_assert(sizeof(Entry) == 64);
  std::vector<Entry> entries_;
};

}  // namespace rerank::tokenizer
