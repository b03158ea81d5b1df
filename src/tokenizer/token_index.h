// From the text of a vocabulary entry to its id: open addressing over ids, filled in one pass without an allocation a
// key.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"
#include "tokenizer/vocabulary.h"

namespace rerank::tokenizer {

class TokenIndex {
 public:
  TokenIndex() : slots_(1) {}
  explicit TokenIndex(std::size_t entries) : slots_(std::bit_ceil(2 * entries + 2)) {}

  // Adds entry `id` of `vocabulary`, unless the same text is there already: then its id is returned.
  std::optional<std::int32_t> insert(const Vocabulary& vocabulary, std::int32_t id) {
    const std::string_view token = vocabulary[static_cast<std::size_t>(id)];
    const std::uint64_t hash = hash_bytes(token);
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.id < 0) {
        slot = {static_cast<std::uint32_t>(hash >> 32), id};
        return std::nullopt;
      }
      if (slot.tag == static_cast<std::uint32_t>(hash >> 32) && vocabulary[static_cast<std::size_t>(slot.id)] == token)
        return slot.id;
    }
  }

  // The id of `token`, or -1. `hash` is hash_bytes(token).
  std::int32_t find(const Vocabulary& vocabulary, std::string_view token, std::uint64_t hash) const {
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.id < 0) return -1;
      if (slot.tag == static_cast<std::uint32_t>(hash >> 32) && vocabulary[static_cast<std::size_t>(slot.id)] == token)
        return slot.id;
    }
  }
  std::int32_t find(const Vocabulary& vocabulary, std::string_view token) const {
    return find(vocabulary, token, hash_bytes(token));
  }

  // Hints that find() of this hash comes soon; first(hash) is the id that it looks at first, or -1.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }
  std::int32_t first(std::uint64_t hash) const { return slots_[hash & (slots_.size() - 1)].id; }

  std::size_t memory() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t id = -1;
  };
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace rerank::tokenizer
