// Where a piece may be cut before BPE: between two characters that no merge ever joins.
//
// A merge only joins neighbours, so if none joins a token that ends like the left side to one that begins like the
// right, both sides can be tokenized apart. The filter may say "may join" without need, never the reverse.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/hash.h"

namespace rerank::tokenizer {

class JoinFilter {
 public:
  bool active() const { return !pairs_.empty(); }
  void activate() {
    pairs_.assign(kBits / 64, 0);
    short_.assign(256 * 256 / 64, 0);
  }
  void disable() {
    pairs_.clear();
    short_.clear();
  }

  // Characters: the last of a left token and the first of a right one.
  void note_characters(std::string_view left, std::string_view right) {
    std::size_t last = left.size() - 1;
    while ((static_cast<unsigned char>(left[last]) & 0xC0) == 0x80) --last;
    set(pairs_, character_bit(decode_utf8(left, last).value, decode_utf8(right, 0).value));
  }
  bool may_join_characters(char32_t left, char32_t right) const { return get(pairs_, character_bit(left, right)); }

  // Bytes: the last three of a left token and the first three of a right one; shorter tokens by one byte of each.
  void note_bytes(std::string_view left, std::string_view right) {
    if (left.size() < 3 || right.size() < 3)
      set(short_, short_bit(left.back(), right.front()));
    else
      set(pairs_, byte_bit(left.data() + left.size() - 3, right.data()));
  }
  // At offset `at` of `piece`, which is inside it.
  bool may_join_bytes(std::string_view piece, std::size_t at) const {
    if (get(short_, short_bit(piece[at - 1], piece[at]))) return true;
    return at >= 3 && at + 3 <= piece.size() && get(pairs_, byte_bit(piece.data() + at - 3, piece.data() + at));
  }

  std::size_t memory() const { return (pairs_.capacity() + short_.capacity()) * sizeof(std::uint64_t); }

 private:
  static constexpr std::size_t kBits = std::size_t{1} << 19;

  static std::size_t character_bit(char32_t left, char32_t right) {
    return (static_cast<std::uint64_t>(left) << 32 | right) * 0x9E3779B97F4A7C15 >> 45;
  }
  static std::size_t byte_bit(const char* left, const char* right) {
    std::uint64_t key = 0;
    for (int i = 0; i < 3; ++i)
      key = key << 16 | static_cast<unsigned char>(left[i]) << 8 | static_cast<unsigned char>(right[i]);
    return key * 0x9E3779B97F4A7C15 >> 45;
  }
  static std::size_t short_bit(char left, char right) {
    return static_cast<std::size_t>(static_cast<unsigned char>(left)) << 8 | static_cast<unsigned char>(right);
  }
  static void set(std::vector<std::uint64_t>& bits, std::size_t bit) {
    bits[bit / 64] |= std::uint64_t{1} << (bit % 64);
  }
  static bool get(const std::vector<std::uint64_t>& bits, std::size_t bit) {
    return (bits[bit / 64] >> (bit % 64) & 1) != 0;
  }

  std::vector<std::uint64_t> pairs_, short_;
};

}  // namespace rerank::tokenizer
