// SentencePiece's own normalizer: a double-array trie of code point sequences and what replaces them.
// Sources: sentencepiece/src/normalizer.cc for the format; the `spm_precompiled` crate for which matches are applied.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

class Precompiled {
 public:
  // Reads "precompiled_charsmap". kCorrupt when the base64 text or the trie inside is cut short or malformed.
  static Result<Precompiled> read(const io::Json& json);

  void normalize(const Text& in, std::uint32_t origin, Text& out) const;

 private:
  // What the shortest key that `chunk` begins with is replaced by; nullopt when no key begins it.
  std::optional<std::string_view> replacement(std::string_view chunk) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;             // NUL-terminated texts; trie values are offsets
  std::array<bool, 128> ascii_alone_{};  // ASCII characters that stay as they are when nothing joins them
};

}  // namespace rerank::tokenizer
