// A double-array trie over byte strings: the vocabularies of Unigram and WordPiece, and the added tokens.
// Source: Aoe 1989, "An efficient digital search algorithm by using a double-array structure"; with XOR in place of a
// sum (Yata 2008, darts-clone), so that the children of a node lie in one block of 256 slots.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rerank::tokenizer {

class Trie {
 public:
  struct Entry {
    std::string_view key;
    std::int32_t value;
  };

  // `entries` are sorted here; of equal keys the last one given wins. Empty keys are left out.
  static Trie build(std::vector<Entry> entries);

  // Calls found(length, value) for every key that `text` begins with, shortest first.
  template <class Found>
  void each_prefix(std::string_view text, Found&& found) const {
    std::uint32_t base = root_;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const Unit& unit = units_[base ^ static_cast<unsigned char>(text[i])];
      if (unit.check != base) return;
      if (unit.value >= 0) found(i + 1, unit.value);
      base = unit.base;
    }
  }

  struct Match {
    std::size_t length = 0;  // 0: no key begins the text
    std::int32_t value = -1;
  };
  Match longest_prefix(std::string_view text) const {
    Match match;
    each_prefix(text, [&](std::size_t length, std::int32_t value) { match = {length, value}; });
    return match;
  }

  std::optional<std::int32_t> find(std::string_view key) const {
    const Match match = longest_prefix(key);
    if (match.length != key.size() || key.empty()) return std::nullopt;
    return match.value;
  }

  std::size_t memory() const { return units_.size() * sizeof(Unit); }

 private:
  struct Unit {
    std::uint32_t check = kFree;  // base of the parent
    std::uint32_t base = kLeaf;   // children lie at base ^ byte
    std::int32_t value = -1;
  };
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;
  static constexpr std::uint32_t kLeaf = 0;  // a base that no node has: no slot has it as its check

  friend class TrieBuilder;
  std::vector<Unit> units_;
  std::uint32_t root_ = kLeaf;
};

}  // namespace rerank::tokenizer
