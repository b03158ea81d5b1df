#include "tokenizer/unicode.h"

#include <algorithm>
#include <map>

namespace rerank::tokenizer {
namespace {

struct PropertyRun {
  std::uint32_t first, properties;  // holds up to the next run
};
struct LowerRun {
  std::uint32_t first, last;
  std::int32_t step, delta;
};
struct Composite {
  std::uint32_t first, second, whole;
};

#include "tokenizer/unicode_tables.inc"

constexpr char32_t kHangulBase = 0xAC00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr std::uint32_t kHangulLCount = 19, kHangulVCount = 21, kHangulTCount = 28;

}  // namespace

const UnicodeTable& UnicodeTable::get() {
  static const UnicodeTable table;
  return table;
}

UnicodeTable::UnicodeTable() {
  std::map<std::uint32_t, std::uint8_t> kind_of;
  std::map<std::array<std::uint8_t, 256>, std::uint16_t> block_number;
  const PropertyRun* run = kPropertyRuns;
  const PropertyRun* const end = std::end(kPropertyRuns);
  const auto kind = [&](std::uint32_t properties) {
    const auto [it, is_new] = kind_of.try_emplace(properties, static_cast<std::uint8_t>(kinds_.size()));
    if (is_new) kinds_.push_back(properties);
    return it->second;
  };
  std::uint8_t current = kind(run->properties);
  std::array<std::uint8_t, 256> block{};
  for (std::uint32_t high = 0; high < block_of_.size(); ++high) {
    std::uint32_t at = high * 256;
    while (at < high * 256 + 256) {
      const std::uint32_t stop = run + 1 == end ? 0x110000 : run[1].first;
      const std::uint32_t until = std::min(stop, high * 256 + 256);
      std::fill(block.begin() + (at & 0xFF), block.begin() + (until - high * 256), current);
      at = until;
      if (at == stop && run + 1 != end) current = kind((++run)->properties);
    }
    const auto [it, is_new] = block_number.try_emplace(block, static_cast<std::uint16_t>(block_number.size()));
    if (is_new) blocks_.insert(blocks_.end(), block.begin(), block.end());
    block_of_[high] = it->second;
  }
}

char32_t UnicodeTable::lower(char32_t c) const {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto* run = std::lower_bound(std::begin(kLowerRuns), std::end(kLowerRuns), c,
                                     [](const LowerRun& r, char32_t value) { return r.last < value; });
  if (run == std::end(kLowerRuns) || c < run->first || (c - run->first) % static_cast<std::uint32_t>(run->step) != 0)
    return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + run->delta);
}

char32_t UnicodeTable::compose(char32_t first, char32_t second) const {
  if (first - kHangulL < kHangulLCount && second - kHangulV < kHangulVCount)
    return kHangulBase + ((first - kHangulL) * kHangulVCount + (second - kHangulV)) * kHangulTCount;
  if (first - kHangulBase < kHangulLCount * kHangulVCount * kHangulTCount &&
      (first - kHangulBase) % kHangulTCount == 0 && second > kHangulT && second < kHangulT + kHangulTCount)
    return first + (second - kHangulT);
  const auto* found = std::lower_bound(std::begin(kComposites), std::end(kComposites), Composite{first, second, 0},
                                       [](const Composite& a, const Composite& b) {
                                         return a.first != b.first ? a.first < b.first : a.second < b.second;
                                       });
  if (found == std::end(kComposites) || found->first != first || found->second != second) return 0;
  return found->whole;
}

std::size_t grapheme_end(std::string_view text, std::size_t begin) {
  using G = GraphemeClass;
  const UnicodeTable& unicode = UnicodeTable::get();
  CodePoint left = decode_utf8(text, begin);
  std::uint32_t left_properties = unicode.properties(left.value);
  std::size_t at = begin + left.length;
  // What rules GB9c, GB11 and GB12 need to remember of the cluster so far.
  bool pictograph_then_extends = (left_properties & kPictographic) != 0;
  bool consonant = (left_properties & kConjunctConsonant) != 0, linked = false;
  std::size_t regional_indicators = static_cast<G>(left_properties >> 5 & 0xF) == G::kRegionalIndicator ? 1 : 0;
  for (; at < text.size();) {
    const CodePoint right = decode_utf8(text, at);
    const std::uint32_t right_properties = unicode.properties(right.value);
    const G l = static_cast<G>(left_properties >> 5 & 0xF), r = static_cast<G>(right_properties >> 5 & 0xF);
    bool joins = false;
    if (l == G::kCr && r == G::kLf) {
      joins = true;  // GB3
    } else if (l == G::kCr || l == G::kLf || l == G::kControl || r == G::kCr || r == G::kLf || r == G::kControl) {
      joins = false;                                                                         // GB4, GB5
    } else if ((l == G::kL && (r == G::kL || r == G::kV || r == G::kLv || r == G::kLvt)) ||  // GB6
               ((l == G::kLv || l == G::kV) && (r == G::kV || r == G::kT)) ||                // GB7
               ((l == G::kLvt || l == G::kT) && r == G::kT)) {                               // GB8
      joins = true;
    } else if (r == G::kExtend || r == G::kZwj || r == G::kSpacingMark || l == G::kPrepend) {  // GB9, GB9a, GB9b
      joins = true;
    } else if (consonant && linked && (right_properties & kConjunctConsonant) != 0) {  // GB9c
      joins = true;
    } else if (pictograph_then_extends && l == G::kZwj && (right_properties & kPictographic) != 0) {  // GB11
      joins = true;
    } else if (l == G::kRegionalIndicator && r == G::kRegionalIndicator) {  // GB12, GB13
      joins = regional_indicators % 2 == 1;
    }
    if (!joins) break;

    if ((right_properties & kPictographic) != 0)
      pictograph_then_extends = true;
    else if (r != G::kExtend && r != G::kZwj)
      pictograph_then_extends = false;
    if ((right_properties & kConjunctConsonant) != 0)
      consonant = true, linked = false;
    else if ((right_properties & kConjunctLinker) != 0)
      linked = consonant;
    else if ((right_properties & kConjunctExtend) == 0)
      consonant = linked = false;
    regional_indicators = r == G::kRegionalIndicator ? regional_indicators + 1 : 0;
    left_properties = right_properties;
    at += right.length;
  }
  return at;
}

}  // namespace rerank::tokenizer
