// The byte-level alphabet of GPT-2: each byte as one printable character, so that any bytes can be a vocabulary entry.
// Source: Radford et al. 2019, encoder.py, bytes_to_unicode().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace rerank::tokenizer {

// The character that stands for a byte: itself where printable in Latin-1, else the next one from U+0100 on.
constexpr std::array<char32_t, 256> make_byte_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    characters[byte] = printable ? byte : next++;
  }
  return characters;
}
inline constexpr std::array<char32_t, 256> kByteCharacters = make_byte_characters();

// The byte that each character below U+0144 stands for, or -1.
constexpr std::array<std::int16_t, 0x144> make_character_bytes() {
  std::array<std::int16_t, 0x144> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[kByteCharacters[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}
inline constexpr std::array<std::int16_t, 0x144> kCharacterBytes = make_character_bytes();

// Appends the bytes that `token` stands for; false (with `out` as it was) when a character is not in the alphabet.
inline bool append_bytes_of(std::string_view token, std::string& out) {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint c = decode_utf8(token, at);
    if (c.value >= kCharacterBytes.size() || kCharacterBytes[c.value] < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(kCharacterBytes[c.value]);
    at += c.length;
  }
  return true;
}

}  // namespace rerank::tokenizer
