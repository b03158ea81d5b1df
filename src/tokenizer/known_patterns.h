// The Split expressions of published byte-level tokenizers, matched by tables instead of the regex engine.
//
// Each cuts a text into pieces without a gap, so only the end of the match at a place has to be found. The property
// test in known_patterns_test.cc holds them against the engine.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/text.h"

namespace rerank::tokenizer {

class KnownPattern {
 public:
  // The table form of an expression, if it is one of those.
  static std::optional<KnownPattern> of(std::string_view expression);
  // All expressions that have one.
  static std::vector<std::string_view> all();

  // Appends the pieces of text[begin, end), as a Split with behavior Isolated makes them.
  void cut(std::string_view text, std::uint32_t begin, std::uint32_t end, std::vector<Piece>& out) const;

 private:
  enum class Words { kGpt2, kLetters, kCased };  // how words are found: see known_patterns.cc

  KnownPattern(Words words, int max_digits, bool slash);

  struct Cursor;
  std::uint32_t match_end(Cursor& cursor, std::uint32_t at) const;
  std::uint32_t contraction_end(const Cursor& cursor, std::uint32_t at) const;
  std::uint32_t cased_word_end(const Cursor& cursor, std::uint32_t start) const;
  std::uint32_t letters_end(const Cursor& cursor, std::uint32_t at) const;
  std::uint32_t space_end(const Cursor& cursor, std::uint32_t at) const;

  Words words_;
  int max_digits_;                         // digits of one piece; 0: no limit
  bool slash_;                             // '/' may follow punctuation as line ends do
  std::array<std::uint8_t, 128> ascii_{};  // classes of the ASCII characters
  std::array<std::uint8_t, 256> kinds_{};  // classes by UnicodeTable::kind()
};

}  // namespace rerank::tokenizer
