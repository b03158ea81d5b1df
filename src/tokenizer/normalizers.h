// Stage 1: normalizers, by their type in tokenizer.json.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "io/json.h"
#include "tokenizer/pattern.h"
#include "tokenizer/precompiled.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

struct BertNormalizer {
  bool clean_text = true, handle_chinese_chars = true, strip_accents = true, lowercase = true;
};
struct Lowercase {};
struct StripAccents {};
struct Strip {
  bool left = true, right = true;
};
struct Prepend {
  std::string text;
};
struct Replace {
  Pattern pattern;
  std::string content;
};
enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

using Normalizer =
    std::variant<BertNormalizer, Lowercase, StripAccents, Strip, Prepend, Replace, UnicodeForm, Precompiled>;

// Reads "normalizer"; Sequences are flattened. An unknown type is kUnsupported, with the list of known ones.
Result<std::vector<Normalizer>> read_normalizers(const io::Json& json);

// Applies all of them to one piece of text, which came from byte `origin` of the caller's text. `scratch` is
// overwritten. kBadInput when a regular expression backtracks without end.
Status normalize(const std::vector<Normalizer>& normalizers, std::uint32_t origin, Text& text, Text& scratch);

}  // namespace rerank::tokenizer
