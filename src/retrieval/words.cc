#include "retrieval/words.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace rerank::retrieval {
namespace {

// The classes of UAX #29 that matter here.
enum class Class {
  kOther,
  kLetter,
  kDigit,
  kIdeograph,
  kKatakana,
  kHangul,
  kSoutheast,
  kExtend,      // marks and formats, which belong to what is before them
  kUnderscore,  // ExtendNumLet: joins letters, digits and katakana
  kMidLetter,   // joins letters
  kMidNumber,   // joins digits
  kMidBoth,     // joins either
};

bool between(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

Class class_of(char32_t c) {
  if (c < 0x80) {
    if (between(c, 'a', 'z') || between(c, 'A', 'Z')) return Class::kLetter;
    if (between(c, '0', '9')) return Class::kDigit;
    if (c == '_') return Class::kUnderscore;
    if (c == ':') return Class::kMidLetter;
    if (c == ',' || c == ';') return Class::kMidNumber;
    return c == '.' || c == '\'' ? Class::kMidBoth : Class::kOther;
  }
  switch (c) {
    case 0xB7:
    case 0x387:
    case 0x5F4:
    case 0x2027:
    case 0xFE13:
    case 0xFE55:
    case 0xFF1A:
      return Class::kMidLetter;
    case 0x37E:
    case 0x589:
    case 0x60C:
    case 0x60D:
    case 0x66C:
    case 0x7F8:
    case 0x2044:
    case 0xFE10:
    case 0xFE14:
    case 0xFE50:
    case 0xFE54:
    case 0xFF0C:
    case 0xFF1B:
      return Class::kMidNumber;
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0xFE52:
    case 0xFF07:
    case 0xFF0E:
      return Class::kMidBoth;
    case 0x200B:  // a space without width
      return Class::kOther;
    default:
      break;
  }
  const bool is_katakana = between(c, 0x30A1, 0x30FA) || between(c, 0x30FC, 0x30FF) || between(c, 0x31F0, 0x31FF) ||
                           between(c, 0x3031, 0x3035) || between(c, 0xFF66, 0xFF9F);
  if (is_katakana) return Class::kKatakana;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
      return Class::kExtend;
    case UTF8PROC_CATEGORY_ND:
      return Class::kDigit;
    case UTF8PROC_CATEGORY_PC:
      return Class::kUnderscore;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
      break;
    default:
      return Class::kOther;
  }
  if (between(c, 0x3041, 0x309F) || between(c, 0x2E80, 0x2FDF) || between(c, 0x3400, 0x9FFF) ||
      between(c, 0xF900, 0xFAFF) || between(c, 0x1B000, 0x1B16F) || between(c, 0x20000, 0x3FFFF) || c == 0x3005 ||
      c == 0x3007)
    return Class::kIdeograph;
  if (between(c, 0x1100, 0x11FF) || between(c, 0x3130, 0x318F) || between(c, 0xA960, 0xA97F) ||
      between(c, 0xAC00, 0xD7FF) || between(c, 0xFFA0, 0xFFDC))
    return Class::kHangul;
  if (between(c, 0x0E00, 0x0EFF) || between(c, 0x1000, 0x109F) || between(c, 0x1780, 0x17FF)) return Class::kSoutheast;
  return Class::kLetter;
}

bool is_letter(Class c) {
  return c == Class::kLetter || c == Class::kHangul;
}

WordKind kind_of(Class c) {
  return c == Class::kIdeograph   ? WordKind::kIdeograph
         : c == Class::kKatakana  ? WordKind::kKatakana
         : c == Class::kHangul    ? WordKind::kHangul
         : c == Class::kSoutheast ? WordKind::kSoutheast
                                  : WordKind::kWord;
}

struct Character {
  std::size_t end = 0;
  Class kind = Class::kOther;
};

Character character_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return {at, Class::kOther};
  const CodePoint point = decode_utf8(text, at);
  return {at + point.length, class_of(point.value)};
}

// Whether a word goes on from a character of class `before` to one of class `after`.
bool joins(Class before, Class after) {
  const auto is_core = [](Class c) { return is_letter(c) || c == Class::kDigit; };
  if (is_core(before) && is_core(after)) return true;
  if (before == Class::kUnderscore || after == Class::kUnderscore) {
    const Class other = before == Class::kUnderscore ? after : before;
    return is_core(other) || other == Class::kKatakana || other == Class::kUnderscore;
  }
  return before == after && (before == Class::kKatakana || before == Class::kSoutheast);
}

}  // namespace

void find_words(std::string_view text, std::vector<Word>& words) {
  words.clear();
  std::size_t at = 0;
  while (at < text.size()) {
    const Character first = character_at(text, at);
    const bool begins = kind_of(first.kind) != WordKind::kWord || is_letter(first.kind) ||
                        first.kind == Class::kDigit || first.kind == Class::kUnderscore;
    if (!begins) {
      at = first.end;
      continue;
    }
    Word word{at, first.end, kind_of(first.kind)};
    bool is_word = first.kind != Class::kUnderscore;
    Class last = first.kind;  // but for marks
    while (true) {
      const Character next = character_at(text, word.end);
      if (word.end >= text.size()) break;
      if (next.kind == Class::kExtend) {
        word.end = next.end;
        continue;
      }
      if (joins(last, next.kind)) {
        word.end = next.end;
        last = next.kind;
        is_word = is_word || last != Class::kUnderscore;
        if (word.kind == WordKind::kWord && (last == Class::kHangul || last == Class::kKatakana))
          word.kind = kind_of(last);
        continue;
      }
      // A point, comma or apostrophe between two letters or two digits.
      const Character behind = character_at(text, next.end);
      const bool letters =
          (next.kind == Class::kMidLetter || next.kind == Class::kMidBoth) && is_letter(last) && is_letter(behind.kind);
      const bool digits = (next.kind == Class::kMidNumber || next.kind == Class::kMidBoth) && last == Class::kDigit &&
                          behind.kind == Class::kDigit;
      if (!letters && !digits) break;
      word.end = behind.end;
      last = behind.kind;
    }
    if (is_word) words.push_back(word);
    at = word.end;
  }
}

}  // namespace rerank::retrieval
