// UTF-8 reading and writing. The tokenizers and every reader of user text stand on these few functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rerank {

// Offset of the first byte that is not part of well-formed UTF-8 (Unicode 15, table 3-7), or npos when all are.
std::size_t first_invalid_utf8(std::string_view text);

struct CodePoint {
  char32_t value = 0;
  std::uint32_t length = 0;  // bytes it takes, 1 to 4
};

// The code point that starts at `offset`. `text` must be well-formed and `offset` must lie on a boundary inside it.
CodePoint decode_utf8(std::string_view text, std::size_t offset);

// Appends one code point (U+0000..U+10FFFF, no surrogates) as UTF-8.
void append_utf8(char32_t code_point, std::string& out);

// Code points in well-formed text.
std::size_t count_code_points(std::string_view text);

}  // namespace rerank
