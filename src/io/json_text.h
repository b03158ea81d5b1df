// Pieces of JSON that is written as text, without building a tree for each.
#pragma once

#include <string>
#include <string_view>

namespace rerank::io {

// The shortest decimal text that parses back to the same value, always with a point or an exponent, so that typed
// readers see a floating-point number. `is_float32` says that the value is a widened float32 (a raw logit): then the
// text is the shortest that gives that float32 back. `value` must be finite.
std::string json_number(double value, bool is_float32);

// The text in quotes, escaped; NUL and control characters are welcome. A byte that is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

}  // namespace rerank::io
