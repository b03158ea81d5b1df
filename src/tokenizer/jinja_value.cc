#include "tokenizer/jinja_value.h"

#include <algorithm>
#include <optional>

#include "tokenizer/unicode.h"

namespace rerank::tokenizer::jinja {

bool truthy(const Value& value) {
  if (const bool* flag = value.as<bool>()) return *flag;
  if (const auto* number = value.as<std::int64_t>()) return *number != 0;
  if (const auto* text = value.as<std::string>()) return !text->empty();
  if (const List* list = value.list()) return !list->empty();
  if (const Map* map = value.map()) return !map->empty();
  return false;
}

bool equal(const Value& a, const Value& b) {
  const auto number = [](const Value& value) -> std::optional<std::int64_t> {
    if (const bool* flag = value.as<bool>()) return *flag ? 1 : 0;
    if (const auto* integer = value.as<std::int64_t>()) return *integer;
    return std::nullopt;
  };
  if (number(a) && number(b)) return number(a) == number(b);
  if (a.held.index() != b.held.index()) return false;
  if (const auto* text = a.as<std::string>()) return *text == *b.as<std::string>();
  if (const List* list = a.list())
    return std::equal(list->begin(), list->end(), b.list()->begin(), b.list()->end(), equal);
  if (a.map() != nullptr) return a.map() == b.map();
  return true;
}

std::string strip(std::string_view text, bool left, bool right) {
  const UnicodeTable& unicode = UnicodeTable::get();
  const auto blank = [&](char32_t c) { return unicode.has(c, kSpace) || (c >= 0x1C && c <= 0x1F); };
  std::size_t begin = text.size(), end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (!blank(c.value)) {
      begin = std::min(begin, at);
      end = at + c.length;
    }
    at += c.length;
  }
  if (begin == text.size()) return left || right ? std::string() : std::string(text);
  if (!left) begin = 0;
  if (!right) end = text.size();
  return std::string(text.substr(begin, end - begin));
}

}  // namespace rerank::tokenizer::jinja
