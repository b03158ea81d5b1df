#include "tokenizer/known_patterns.h"

#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

// Bits of a character's class. Every character has exactly one of the first five.
constexpr std::uint8_t kLetter = 1, kDigit = 2, kBlank = 4, kLineEnd = 8, kOther = 16;
constexpr std::uint8_t kUpper = 32, kLower = 64;  // may begin, may end a word that is told apart by case

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
                                     R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
                                     R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::uint8_t class_of(char32_t c, std::uint32_t properties) {
  using C = Category;
  if (c == '\r' || c == '\n') return kLineEnd;
  if ((properties & kSpace) != 0) return kBlank;
  switch (static_cast<C>(properties & 0x1F)) {
    case C::Lu:
    case C::Lt:
      return kLetter | kUpper;
    case C::Ll:
      return kLetter | kLower;
    case C::Lm:
    case C::Lo:
      return kLetter | kUpper | kLower;
    case C::Mn:
    case C::Mc:
    case C::Me:
      return kOther | kUpper | kLower;
    case C::Nd:
    case C::Nl:
    case C::No:
      return kDigit;
    default:
      return kOther;
  }
}

}  // namespace

// A text with the classes of its characters.
struct KnownPattern::Cursor {
  const KnownPattern& pattern;
  const UnicodeTable& unicode;
  std::string_view text;
  std::uint32_t end;

  struct Char {
    std::uint8_t klass;  // 0 at the end of the text
    std::uint8_t length;
  };
  Char at(std::uint32_t i) const {
    if (i >= end) return {0, 0};
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) return {pattern.ascii_[byte], 1};
    const CodePoint c = decode_utf8(text, i);
    return {pattern.kinds_[unicode.kind(c.value)], static_cast<std::uint8_t>(c.length)};
  }
  // End of the run of characters that have one of `bits`, from i on.
  std::uint32_t run(std::uint32_t i, std::uint8_t bits) const {
    for (Char c = at(i); (c.klass & bits) != 0; c = at(i)) i += c.length;
    return i;
  }
};

KnownPattern::KnownPattern(Words words, int max_digits, bool slash)
    : words_(words), max_digits_(max_digits), slash_(slash) {
  const UnicodeTable& unicode = UnicodeTable::get();
  for (std::size_t c = 0; c < ascii_.size(); ++c)
    ascii_[c] = class_of(static_cast<char32_t>(c), unicode.properties(static_cast<char32_t>(c)));
  for (std::size_t kind = 0; kind < unicode.kinds().size(); ++kind)
    kinds_[kind] = class_of(0x80, unicode.kinds()[kind]);
}

std::optional<KnownPattern> KnownPattern::of(std::string_view expression) {
  if (expression == kGpt2) return KnownPattern(Words::kGpt2, 0, false);
  if (expression == kQwen2) return KnownPattern(Words::kLetters, 1, false);
  if (expression == kLlama3) return KnownPattern(Words::kLetters, 3, false);
  if (expression == kTekken) return KnownPattern(Words::kCased, 1, true);
  return std::nullopt;
}

std::vector<std::string_view> KnownPattern::all() {
  return {kGpt2, kQwen2, kLlama3, kTekken};
}

void KnownPattern::cut(std::string_view text, std::uint32_t begin, std::uint32_t end, std::vector<Piece>& out) const {
  Cursor cursor{*this, UnicodeTable::get(), text, end};
  for (std::uint32_t at = begin; at < end;) {
    const std::uint32_t next = match_end(cursor, at);
    out.push_back({at, next, -1});
    at = next;
  }
}

// The alternatives in their order; the first that matches at `at` counts.
std::uint32_t KnownPattern::match_end(Cursor& cursor, std::uint32_t at) const {
  const Cursor::Char first = cursor.at(at);
  const std::uint32_t second = at + first.length;

  // 's and its like
  if (words_ != Words::kCased && cursor.text[at] == '\'') {
    if (const std::uint32_t end = contraction_end(cursor, at); end != at) return end;
  }
  // Words, with what may stand before them.
  if (words_ == Words::kGpt2) {
    if ((first.klass & kLetter) != 0) return cursor.run(second, kLetter);
    if (cursor.text[at] == ' ') {
      const Cursor::Char next = cursor.at(second);
      for (const std::uint8_t kind : {kLetter, kDigit, kOther})
        if ((next.klass & kind) != 0) return cursor.run(second + next.length, kind);
    }
    if ((first.klass & kDigit) != 0) return cursor.run(second, kDigit);
    if ((first.klass & kOther) != 0) return cursor.run(second, kOther);
    return space_end(cursor, at);
  }
  if (words_ == Words::kLetters) {
    if ((first.klass & kLetter) != 0) return letters_end(cursor, second);
    if ((first.klass & (kBlank | kOther)) != 0) {
      const Cursor::Char next = cursor.at(second);
      if ((next.klass & kLetter) != 0) return letters_end(cursor, second + next.length);
    }
  } else {
    const bool may_precede = (first.klass & (kBlank | kOther)) != 0;  // [^\r\n\p{L}\p{N}]
    if (may_precede) {
      if (const std::uint32_t end = cased_word_end(cursor, second); end != second) return end;
    }
    if (const std::uint32_t end = cased_word_end(cursor, at); end != at) return end;
    // Only upper case: the second alternative.
    if (may_precede) {
      if (const std::uint32_t end = cursor.run(second, kUpper); end != second) return end;
    }
    if (const std::uint32_t end = cursor.run(at, kUpper); end != at) return end;
  }
  // Digits.
  if ((first.klass & kDigit) != 0) {
    std::uint32_t end = second;
    for (int count = 1; count < max_digits_; ++count) {
      const Cursor::Char next = cursor.at(end);
      if ((next.klass & kDigit) == 0) break;
      end += next.length;
    }
    return end;
  }
  // Punctuation, with a space before it and line ends behind it.
  std::uint32_t other = at;
  if (cursor.text[at] == ' ' && (cursor.at(second).klass & kOther) != 0) other = second;
  if ((cursor.at(other).klass & kOther) != 0) {
    std::uint32_t end = cursor.run(other, kOther);
    while (end < cursor.end &&
           (cursor.text[end] == '\r' || cursor.text[end] == '\n' || (slash_ && cursor.text[end] == '/')))
      ++end;
    return end;
  }
  return space_end(cursor, at);
}

std::uint32_t KnownPattern::letters_end(const Cursor& cursor, std::uint32_t at) const {
  return cursor.run(at, kLetter);
}

// White space: up to its last line end; else all of it but the last character before a word; else all.
// GPT-2's expression does not know line ends.
std::uint32_t KnownPattern::space_end(const Cursor& cursor, std::uint32_t at) const {
  std::uint32_t end = at, last = at, line_end = at;
  for (Cursor::Char c = cursor.at(end); (c.klass & (kBlank | kLineEnd)) != 0; c = cursor.at(end)) {
    last = end;
    end += c.length;
    if ((c.klass & kLineEnd) != 0) line_end = end;
  }
  if (words_ != Words::kGpt2 && line_end != at) return line_end;
  return end == cursor.end || last == at ? end : last;
}

std::uint32_t KnownPattern::contraction_end(const Cursor& cursor, std::uint32_t at) const {
  const auto letter = [&](std::uint32_t i) {
    if (i >= cursor.end) return '\0';
    const char c = cursor.text[i];
    return words_ != Words::kGpt2 && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char one = letter(at + 1), two = letter(at + 2);
  if (one == 's' || one == 't' || one == 'm' || one == 'd') return at + 2;
  if ((one == 'r' && two == 'e') || (one == 'v' && two == 'e') || (one == 'l' && two == 'l')) return at + 3;
  // Without regard to case, U+017F is an s.
  if (words_ != Words::kGpt2 && cursor.text.substr(at + 1, 2) == "\xC5\xBF" && at + 3 <= cursor.end) return at + 3;
  return at;
}

// [upper]*[lower]+ from `start`, or `start` where it does not match. Where a run of upper case is not followed by lower
// case, its last character that is also lower ends the match.
std::uint32_t KnownPattern::cased_word_end(const Cursor& cursor, std::uint32_t start) const {
  std::uint32_t at = start, lower_end = start;
  for (Cursor::Char c = cursor.at(at); (c.klass & kUpper) != 0; c = cursor.at(at)) {
    at += c.length;
    if ((c.klass & kLower) != 0) lower_end = at;
  }
  const std::uint32_t end = cursor.run(at, kLower);
  return end != at ? end : lower_end;
}

}  // namespace rerank::tokenizer
