// The first step of reading a template: text and tags, with white-space control applied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::tokenizer::jinja {

inline bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// A stretch of text, or the inside of {{ }} or {% %}.
struct Part {
  enum class Kind { kText, kPrint, kBlock } kind;
  std::string text;
  std::size_t line;
};

// Cuts a template into parts and applies white-space control: '-' eats all white space on its side; a block or comment
// alone on its line takes the line with it (trim_blocks and lstrip_blocks).
Result<std::vector<Part>> split(std::string_view source, const std::string& name);

}  // namespace rerank::tokenizer::jinja
