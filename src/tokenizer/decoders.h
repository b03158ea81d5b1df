// Stage 5: decoders, by their type in tokenizer.json. They turn tokens back into text.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "io/json.h"
#include "tokenizer/pattern.h"

namespace rerank::tokenizer {

struct ByteFallbackDecoder {};
struct ByteLevelDecoder {};
struct FuseDecoder {};
struct MetaspaceDecoder {
  std::string replacement;  // one character
  bool drop_first = true;   // the first token's are left out instead of becoming spaces
};
struct ReplaceDecoder {
  Pattern pattern;
  std::string content;
};
struct StripDecoder {
  std::string content;  // one character
  std::size_t start = 0, stop = 0;
};
struct WordPieceDecoder {
  std::string prefix;
  bool cleanup = true;
};

using Decoder = std::variant<ByteFallbackDecoder, ByteLevelDecoder, FuseDecoder, MetaspaceDecoder, ReplaceDecoder,
                             StripDecoder, WordPieceDecoder>;

// Reads "decoder"; Sequences are flattened.
Result<std::vector<Decoder>> read_decoders(const io::Json& json);

// The text of `tokens`; without any decoder they are joined by spaces. The result is valid UTF-8: what is not becomes
// U+FFFD.
std::string decode_tokens(const std::vector<Decoder>& decoders, std::vector<std::string> tokens);

}  // namespace rerank::tokenizer
