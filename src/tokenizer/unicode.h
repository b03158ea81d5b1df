// What the reference library believes about code points: categories, word characters, accents, case, grapheme clusters.
//
// The `tokenizers` library mixes Unicode versions (Oniguruma 16, its normal forms 9, its punctuation older still), so
// the tables are not Unicode's: make_unicode_tables.py asked the library itself, code point by code point.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace rerank::tokenizer {

enum class Category : std::uint8_t {
  Cn,
  Lu,
  Ll,
  Lt,
  Lm,
  Lo,
  Mn,
  Mc,
  Me,
  Nd,
  Nl,
  No,
  Pc,
  Pd,
  Ps,
  Pe,
  Pi,
  Pf,
  Po,
  Sm,
  Sc,
  Sk,
  So,
  Zs,
  Zl,
  Zp,
  Cc,
  Cf,
  Co,
  Cs
};
inline constexpr std::string_view kCategoryNames[] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd",
                                                      "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
                                                      "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs"};

enum class GraphemeClass : std::uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kZwj,
  kRegionalIndicator,
  kPrepend,
  kSpacingMark,
  kL,
  kV,
  kT,
  kLv,
  kLvt
};

// Bits of UnicodeTable::properties above the category (bits 0-4) and the grapheme class (bits 5-8).
inline constexpr std::uint32_t kSpace = 1u << 9;          // White_Space
inline constexpr std::uint32_t kWord = 1u << 10;          // \w of Rust: Whitespace and single_word
inline constexpr std::uint32_t kBertControl = 1u << 11;   // removed by BertNormalizer's clean_text
inline constexpr std::uint32_t kBertAccent = 1u << 12;    // removed by BertNormalizer's strip_accents
inline constexpr std::uint32_t kAccent = 1u << 13;        // removed by StripAccents
inline constexpr std::uint32_t kPunctuation = 1u << 14;   // what BertPreTokenizer and Punctuation split off
inline constexpr std::uint32_t kNumeric = 1u << 15;       // what Digits splits off
inline constexpr std::uint32_t kNormalizes = 1u << 16;    // decomposes, or has a combining class
inline constexpr std::uint32_t kPictographic = 1u << 17;  // these four: rules GB9c and GB11 of UAX 29
inline constexpr std::uint32_t kConjunctConsonant = 1u << 18;
inline constexpr std::uint32_t kConjunctLinker = 1u << 19;
inline constexpr std::uint32_t kConjunctExtend = 1u << 20;
inline constexpr std::uint32_t kComposesBack = 1u << 21;  // some composition has it as its second part
inline constexpr std::uint32_t kRegexWord = 1u << 22;     // \w of the regular expressions, which is not quite kWord

// Two-level table over all code points; immutable once made.
class UnicodeTable {
 public:
  static const UnicodeTable& get();

  std::uint32_t properties(char32_t c) const { return kinds_[blocks_[block_of_[c >> 8] * 256u + (c & 0xFF)]]; }
  // An index below kinds().size() <= 256; code points of one kind have the same properties.
  std::uint8_t kind(char32_t c) const { return blocks_[block_of_[c >> 8] * 256u + (c & 0xFF)]; }
  const std::vector<std::uint32_t>& kinds() const { return kinds_; }
  bool has(char32_t c, std::uint32_t bits) const { return (properties(c) & bits) != 0; }
  Category category(char32_t c) const { return static_cast<Category>(properties(c) & 0x1F); }
  GraphemeClass grapheme_class(char32_t c) const { return static_cast<GraphemeClass>(properties(c) >> 5 & 0xF); }

  // The lower-case form of one code point alone; U+0130 is the only one that grows (U+0069 U+0307).
  char32_t lower(char32_t c) const;

  // The code point that canonically composes `first` and `second`, or 0. Hangul included.
  char32_t compose(char32_t first, char32_t second) const;

 private:
  UnicodeTable();

  std::array<std::uint16_t, 0x1100> block_of_{};
  std::vector<std::uint8_t> blocks_;  // 256 entries a distinct block: index into kinds_
  std::vector<std::uint32_t> kinds_;  // distinct property words
};

// End of the extended grapheme cluster (UAX 29) that starts at `begin`, which must lie on a cluster boundary.
std::size_t grapheme_end(std::string_view text, std::size_t begin);

}  // namespace rerank::tokenizer
