// What tokenizer_config.json says of special tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/checkpoint.h"
#include "io/json.h"

namespace rerank::scoring {

// Nothing when the checkpoint has no such file.
Result<std::optional<io::JsonDocument>> read_tokenizer_config(const io::Checkpoint& checkpoint);

struct StatedToken {
  bool stated = false;              // whether the file speaks of it at all
  std::optional<std::string> text;  // nothing where it says null
};

// `key`: "bos_token". The value is a text, or an object that has it as "content".
Result<StatedToken> stated_token(const io::Json& tokenizer_config, std::string_view key);

}  // namespace rerank::scoring
