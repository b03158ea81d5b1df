// A fast hash of short byte strings, for tables that compare the bytes afterwards. Not for keys that must resist
// flooding.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace rerank::tokenizer {

__extension__ using Wide = unsigned __int128;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_bytes(std::string_view text) {
  constexpr std::uint64_t kA = 0x9E3779B97F4A7C15, kB = 0xD6E8FEB86659FD93;
  std::uint64_t state = text.size() * kA;
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t word;
  for (; left >= 8; left -= 8, at += 8) {
    std::memcpy(&word, at, 8);
    state = mix(state ^ word, kB);
  }
  if (left >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, at, 4);
    std::memcpy(&last, at + left - 4, 4);
    word = static_cast<std::uint64_t>(first) << 32 | last;
  } else {
    word = 0;
    for (std::size_t i = 0; i < left; ++i) word = word << 8 | static_cast<unsigned char>(at[i]);
  }
  return mix(state ^ word, kA);
}

}  // namespace rerank::tokenizer
