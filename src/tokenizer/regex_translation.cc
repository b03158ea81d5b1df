#include <fmt/format.h>

#include <functional>

#include "base/try.h"
#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

// Ranges, written for the inside of a PCRE2 class, of all code points that `wanted` accepts. Surrogates cannot occur.
std::string class_of(const std::function<bool(char32_t)>& wanted) {
  std::string out;
  for (char32_t c = 0; c < 0x110000;) {
    if (c == 0xD800) c = 0xE000;
    if (!wanted(c)) {
      ++c;
      continue;
    }
    const char32_t first = c;
    while (c < 0x110000 && c != 0xD800 && wanted(c)) ++c;
    const auto number = [](char32_t value) { return static_cast<std::uint32_t>(value); };
    out += first + 1 == c ? fmt::format("\\x{{{:X}}}", number(first))
                          : fmt::format("\\x{{{:X}}}-\\x{{{:X}}}", number(first), number(c - 1));
  }
  return out;
}

class Translator {
 public:
  Translator(std::string_view in, const std::string& where) : in_(in), where_(where) {}

  Result<std::string> run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        RERANK_TRY(escape(/*in_class=*/false));
      } else if (c == '[') {
        RERANK_TRY(bracket());
      } else if (c == '(' && peek(1) == '?') {
        RERANK_TRY(group());
      } else if (c == '(' && peek(1) == '*') {
        return refuse("(*");
      } else if (c == '{') {
        RERANK_TRY(repeat());
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }

  Error refuse(std::string_view construct) const {
    return Error{
        Error::Code::kUnsupported,
        fmt::format("the regular expression \"{}\" has \"{}\" at byte {}, which is not supported", in_, construct, at_),
        where_,
        "supported: alternatives, groups, look-around, (?i:...), classes, \\s \\d \\w \\p{..} with general "
        "categories, greedy, lazy and possessive repeats"};
  }

  // `ranges` as a class of its own, or as a part of the class we are in.
  void emit(bool in_class, const std::string& ranges) { out_ += in_class ? ranges : fmt::format("[{}]", ranges); }

  Status escape(bool in_class) {
    const UnicodeTable& unicode = UnicodeTable::get();
    const char c = peek(1);
    const auto classify = [&](bool negated, const std::function<bool(char32_t)>& member) {
      emit(in_class, class_of([&](char32_t x) { return member(x) != negated; }));
      at_ += 2;
    };
    switch (c) {
      case 's':
      case 'S':
        classify(c == 'S', [&](char32_t x) { return unicode.has(x, kSpace); });
        return {};
      case 'd':
      case 'D':
        classify(c == 'D', [&](char32_t x) { return unicode.category(x) == Category::Nd; });
        return {};
      case 'w':
      case 'W':
        classify(c == 'W', [&](char32_t x) { return unicode.has(x, kRegexWord); });
        return {};
      case 'h':
      case 'H':
        classify(c == 'H',
                 [](char32_t x) { return (x >= '0' && x <= '9') || (x >= 'a' && x <= 'f') || (x >= 'A' && x <= 'F'); });
        return {};
      case 'p':
      case 'P':
        return property(in_class);
      case 'v':
        out_ += "\\x0B";
        at_ += 2;
        return {};
      case 'x':
        return hexadecimal();
      case 'u':
        return four_digits();
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += {'\\', c};
        at_ += 2;
        return {};
      case 'b':
      case 'B': {
        if (in_class) return refuse(in_.substr(at_, 2));
        const std::string word = fmt::format("[{}]", class_of([&](char32_t x) { return unicode.has(x, kRegexWord); }));
        out_ += c == 'b' ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                         : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
        at_ += 2;
        return {};
      }
      case 'A':
      case 'z':
      case 'Z':
        if (in_class) return refuse(in_.substr(at_, 2));
        out_ += {'\\', c};
        at_ += 2;
        return {};
      default:
        if (c == '\0' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
          return refuse(in_.substr(at_, 2));
        if (static_cast<unsigned char>(c) >= 0x80) {  // a backslash before a letter beyond ASCII changes nothing
          ++at_;
          return {};
        }
        out_ += {'\\', c};
        at_ += 2;
        return {};
    }
  }

  Status property(bool in_class) {
    const std::size_t close = in_.find('}', at_);
    if (peek(2) != '{' || close == std::string_view::npos) return refuse(in_.substr(at_, 2));
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    bool negated = peek(1) == 'P';
    if (name.substr(0, 1) == "^") {
      negated = !negated;
      name.remove_prefix(1);
    }
    bool known = false;
    bool wanted[std::size(kCategoryNames)] = {};
    for (std::size_t i = 0; i < std::size(kCategoryNames); ++i) {
      wanted[i] = kCategoryNames[i] == name || (name.size() == 1 && kCategoryNames[i][0] == name[0]);
      known = known || wanted[i];
    }
    if (!known) return refuse(in_.substr(at_, close + 1 - at_));
    const UnicodeTable& unicode = UnicodeTable::get();
    emit(in_class,
         class_of([&](char32_t x) { return wanted[static_cast<std::size_t>(unicode.category(x))] != negated; }));
    at_ = close + 1;
    return {};
  }

  Status hexadecimal() {
    const bool braced = peek(2) == '{';
    const std::size_t begin = at_ + (braced ? 3 : 2);
    const std::size_t end = braced ? in_.find('}', begin) : begin + 2;
    if (end == std::string_view::npos || end > in_.size() || end == begin ||
        in_.substr(begin, end - begin).find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      return refuse(in_.substr(at_, 2));
    out_ += fmt::format("\\x{{{}}}", in_.substr(begin, end - begin));
    at_ = end + (braced ? 1 : 0);
    return {};
  }

  Status four_digits() {
    const std::string_view digits = in_.substr(at_ + 2, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      return refuse(in_.substr(at_, 2));
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
    return {};
  }

  Status bracket() {
    out_ += '[';
    ++at_;
    if (peek(0) == '^') {
      out_ += '^';
      ++at_;
    }
    if (peek(0) == ']') return refuse("[]");
    while (true) {
      if (at_ >= in_.size()) return refuse("[ without ]");
      const char c = in_[at_];
      if (c == ']') break;
      if (c == '[') return refuse("[ inside a class");
      if (c == '&' && peek(1) == '&') return refuse("&&");
      if (c == '\\') {
        RERANK_TRY(escape(/*in_class=*/true));
      } else {
        out_ += c;
        ++at_;
      }
    }
    out_ += ']';
    ++at_;
    return {};
  }

  Status group() {
    static constexpr std::string_view kOpenings[] = {"(?:", "(?=",  "(?!",  "(?<=", "(?<!",
                                                     "(?>", "(?i:", "(?i)", "(?-i:"};
    for (const std::string_view opening : kOpenings) {
      if (in_.substr(at_, opening.size()) != opening) continue;
      out_ += opening;
      at_ += opening.size();
      return {};
    }
    return refuse(in_.substr(at_, 3));
  }

  // {n}, {n,} and {n,m} mean the same to both; {,m} does not, and neither does a + behind them.
  Status repeat() {
    const std::size_t close = in_.find('}', at_);
    const std::string_view inside = in_.substr(at_ + 1, close == std::string_view::npos ? 0 : close - at_ - 1);
    if (inside.empty() || inside.find_first_not_of("0123456789,") != std::string_view::npos || inside[0] == ',' ||
        inside.find(',') != inside.rfind(','))
      return refuse("{");
    if (close + 1 < in_.size() && in_[close + 1] == '+') return refuse("}+");
    out_ += in_.substr(at_, close + 1 - at_);
    at_ = close + 1;
    return {};
  }

  std::string_view in_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view expression, const std::string& where) {
  return Translator(expression, where).run();
}

}  // namespace rerank::tokenizer
