// Lower case of ASCII letters, whatever the locale: for names in protocols and files, never for texts.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace rerank {

constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Every other byte stays as it is.
inline std::string ascii_lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = ascii_lower(c);
  return lowered;
}

// Whether both are the same but for the case of ASCII letters.
inline bool equal_ascii_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace rerank
