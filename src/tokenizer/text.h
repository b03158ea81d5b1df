// A text on its way through the stages, and where each of its bytes came from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace rerank::tokenizer {

struct ByteRange {
  std::uint32_t begin = 0, end = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Changed text. `source` holds, for each byte, the range of the caller's text behind it; it stays empty unless tracked.
struct Text {
  std::string bytes;
  std::vector<ByteRange> source;
  bool tracked = false;

  void clear() {
    bytes.clear();
    source.clear();
  }
  // Appends bytes [begin, end) of the caller's text itself.
  void append_original(std::string_view text, std::uint32_t begin, std::uint32_t end) {
    bytes.append(text, begin, end - begin);
    if (!tracked) return;
    for (std::uint32_t at = begin; at < end;) {
      const std::uint32_t length = decode_utf8(text, at).length;
      source.insert(source.end(), length, ByteRange{at, at + length});
      at += length;
    }
  }
  void append(const Text& other, std::size_t begin, std::size_t end) {
    bytes.append(other.bytes, begin, end - begin);
    if (tracked)
      source.insert(source.end(), other.source.begin() + static_cast<std::ptrdiff_t>(begin),
                    other.source.begin() + static_cast<std::ptrdiff_t>(end));
  }
};

// Writes the new form of `old` to `out`, character by character, and gives each the source that the library gives it.
//
// The library describes a change as a character and a number: 0 replaces the next old character, -n also drops the n
// old ones after it, and a positive number inserts. What is inserted shares the source of the old byte before it (or
// lies, empty, at the origin of the piece). Where a normalizer numbers its changes in an odd way, the offsets follow
// it.
class Rewriter {
 public:
  Rewriter(const Text& old, std::uint32_t origin, Text& out) : old_(old), origin_(origin), out_(out) {}

  void drop(std::size_t characters) {
    if (!old_.tracked) return;
    for (; characters > 0 && at_ < old_.bytes.size(); --characters) at_ += decode_utf8(old_.bytes, at_).length;
  }

  void put(char32_t c, std::ptrdiff_t change) {
    const std::size_t before = out_.bytes.size();
    append_utf8(c, out_.bytes);
    if (!old_.tracked) return;
    ByteRange from{origin_, origin_};
    if (change > 0) {
      if (at_ > 0) from = old_.source[at_ - 1];
    } else if (at_ < old_.source.size()) {
      from = old_.source[at_];
      drop(1 + static_cast<std::size_t>(-change));
    } else if (!old_.source.empty()) {
      from = old_.source.back();
    }
    out_.source.insert(out_.source.end(), out_.bytes.size() - before, from);
  }

 private:
  const Text& old_;
  std::uint32_t origin_;
  Text& out_;
  std::size_t at_ = 0;  // in old_
};

// One piece of a text: bytes [begin, end), and the id of the added token that it is, or -1.
struct Piece {
  std::uint32_t begin = 0, end = 0;
  std::int32_t token = -1;
};

struct PreTokenized {
  Text text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece& piece) const {
    return std::string_view(text.bytes).substr(piece.begin, piece.end - piece.begin);
  }
};

}  // namespace rerank::tokenizer
