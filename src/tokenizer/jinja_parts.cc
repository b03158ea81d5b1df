#include "tokenizer/jinja_parts.h"

#include <fmt/format.h>

namespace rerank::tokenizer::jinja {

Result<std::vector<Part>> split(std::string_view source, const std::string& name) {
  std::vector<Part> parts;
  std::size_t at = 0, line = 1;
  bool eat_space = false, eat_newline = false;
  const auto count_lines = [&](std::string_view text) {
    for (const char c : text) line += c == '\n';
  };
  while (at < source.size()) {
    std::size_t open = source.find('{', at);
    while (open != std::string_view::npos && open + 1 < source.size() && source[open + 1] != '{' &&
           source[open + 1] != '%' && source[open + 1] != '#')
      open = source.find('{', open + 1);
    if (open != std::string_view::npos && open + 1 >= source.size()) open = std::string_view::npos;
    const bool tag = open != std::string_view::npos;
    std::string_view text = source.substr(at, tag ? open - at : std::string_view::npos);
    const std::size_t text_line = line;
    count_lines(text);
    if (eat_newline && !text.empty() && text.front() == '\n') text.remove_prefix(1);
    if (eat_space)
      while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    const char sign = tag && open + 2 < source.size() ? source[open + 2] : '\0';
    if (sign == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (tag && sign != '+' && source[open + 1] != '{') {
      std::size_t keep = text.size();
      while (keep > 0 && (text[keep - 1] == ' ' || text[keep - 1] == '\t')) --keep;
      const bool whole_line = keep > 0 ? text[keep - 1] == '\n' : at == 0 || eat_newline;
      if (whole_line) text = text.substr(0, keep);
    }
    if (!text.empty()) parts.push_back({Part::Kind::kText, std::string(text), text_line});
    if (!tag) break;

    const char kind = source[open + 1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    std::size_t begin = open + 2;
    if (sign == '-' || sign == '+') ++begin;
    // The end of the tag, outside of strings.
    std::size_t end = begin;
    char quote = '\0';
    for (; end < source.size(); ++end) {
      const char c = source[end];
      if (kind != '#' && quote != '\0') {
        if (c == '\\')
          ++end;
        else if (c == quote)
          quote = '\0';
        continue;
      }
      if (source.substr(end, 2) == close) break;
      if (kind != '#' && (c == '\'' || c == '"')) quote = c;
    }
    if (end >= source.size())
      return Error{Error::Code::kCorrupt, fmt::format("the tag that begins on line {} has no end {}", line, close),
                   name, ""};
    std::string_view inside = source.substr(begin, end - begin);
    const char last = inside.empty() ? '\0' : inside.back();
    eat_space = last == '-';
    eat_newline = kind != '{' && last != '+' && last != '-';
    if (kind != '#') {
      if (last == '-' || (last == '+' && kind == '%')) inside.remove_suffix(1);
      parts.push_back({kind == '{' ? Part::Kind::kPrint : Part::Kind::kBlock, std::string(inside), line});
    }
    count_lines(source.substr(open, end - open));
    at = end + 2;
  }
  return parts;
}

}  // namespace rerank::tokenizer::jinja
