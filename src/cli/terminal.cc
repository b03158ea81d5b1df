#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"

namespace rerank::cli {
namespace {

constexpr std::size_t kColumnsWithoutTerminal = 100;

bool is_control(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF;
}

bool is_white_space(char32_t c) {
  if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85) return true;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

std::size_t columns_of(char32_t c) {
  const int width = utf8proc_charwidth(static_cast<utf8proc_int32_t>(c));
  return width > 0 ? static_cast<std::size_t>(width) : 0;
}

}  // namespace

bool is_terminal(int file_descriptor) {
  return isatty(file_descriptor) == 1;
}

std::size_t terminal_columns(int file_descriptor) {
  winsize size{};
  if (is_terminal(file_descriptor) && ioctl(file_descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr)
    if (const long value = std::strtol(columns, nullptr, 10); value > 0 && value < 10'000)
      return static_cast<std::size_t>(value);
  return kColumnsWithoutTerminal;
}

bool colour_allowed(int file_descriptor) {
  if (!is_terminal(file_descriptor)) return false;
  if (const char* no_color = std::getenv("NO_COLOR"); no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  return term == nullptr || std::string_view(term) != "dumb";
}

std::string excerpt(std::string_view text, std::size_t columns) {
  std::string line;
  std::size_t width = 0;         // of `line`
  std::size_t last_to_keep = 0;  // bytes of `line` that leave one column for the ellipsis
  bool space_is_due = false;
  for (std::size_t offset = 0; offset < text.size();) {
    const CodePoint c = decode_utf8(text, offset);
    offset += c.length;
    if (is_white_space(c.value)) {
      space_is_due = !line.empty();
      continue;
    }
    if (is_control(c.value)) continue;
    const std::size_t added = columns_of(c.value) + (space_is_due ? 1 : 0);
    if (width + added > columns) {
      line.resize(last_to_keep);
      return columns == 0 ? line : line + "…";
    }
    if (space_is_due) line += ' ';
    space_is_due = false;
    append_utf8(c.value, line);
    width += added;
    if (width + 1 <= columns) last_to_keep = line.size();
  }
  return line;
}

std::vector<std::string> wrap(std::string_view text, std::size_t columns) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string paragraph = excerpt(text.substr(0, end), std::string_view::npos);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::size_t line = 0, width = 0;             // where the line begins, and how wide it is
    std::size_t last_space = std::string::npos;  // in the line
    for (std::size_t at = 0; at < paragraph.size();) {
      const CodePoint c = decode_utf8(paragraph, at);
      if (c.value == ' ') last_space = at;
      width += columns_of(c.value);
      if (width > columns && at > line) {
        const bool at_space = last_space != std::string::npos;
        const std::size_t stop = at_space ? last_space : at;
        lines.push_back(paragraph.substr(line, stop - line));
        line = at_space ? stop + 1 : stop;
        last_space = std::string::npos;
        at = line;
        width = 0;
        continue;
      }
      at += c.length;
    }
    if (line < paragraph.size()) lines.push_back(paragraph.substr(line));
  }
  return lines;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const CodePoint c = decode_utf8(text, offset);
    offset += c.length;
    width += columns_of(c.value);
  }
  return width;
}

}  // namespace rerank::cli
