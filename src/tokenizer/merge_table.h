// The merges of BPE: from two neighbouring ids to the rank of their merge and the id it makes.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "tokenizer/hash.h"

namespace rerank::tokenizer {

struct Merge {
  std::uint32_t rank = kNone;  // lower merges first
  std::int32_t id = -1;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
};

class MergeTable {
 public:
  MergeTable() : slots_(1) {}
  explicit MergeTable(std::size_t merges) : slots_(std::bit_ceil(merges + merges / 2 + 2)) {}

  // A pair that is inserted again keeps the later rank, as in the library.
  void insert(std::int32_t left, std::int32_t right, Merge merge) {
    for (std::size_t at = start(left, right);; at = (at + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[at];
      if (slot.merge.rank != Merge::kNone && (slot.left != left || slot.right != right)) continue;
      slot = {left, right, merge};
      return;
    }
  }

  Merge find(std::int32_t left, std::int32_t right) const {
    for (std::size_t at = start(left, right);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if ((slot.left == left && slot.right == right) || slot.merge.rank == Merge::kNone) return slot.merge;
    }
  }

  void prefetch(std::int32_t left, std::int32_t right) const { __builtin_prefetch(&slots_[start(left, right)]); }
  std::size_t memory() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::int32_t left = -1, right = -1;
    Merge merge;
  };
  std::size_t start(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key =
        static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    return (key * 0x9E3779B97F4A7C15 >> 20 ^ key * 0x9E3779B97F4A7C15 >> 44) & (slots_.size() - 1);
  }

  std::vector<Slot> slots_;  // a power of two, at most two thirds full
};

}  // namespace rerank::tokenizer
