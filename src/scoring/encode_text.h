// Ids of one of a pair's two texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rerank/error.h"
#include "scoring/instruction.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

// `text` after its instruction, without special tokens; `where` ("query", "passage") names it in the error.
inline Result<std::vector<std::int32_t>> encode_text(const tokenizer::Tokenizer& tokenizer,
                                                     const InstructionFormat& format, std::string_view text,
                                                     const tokenizer::EncodeOptions& options, const char* where) {
  auto ids = tokenizer.encode_ids(format.apply(text), options);
  if (!ids.ok()) ids.error().where = where;
  return ids;
}

}  // namespace rerank::scoring
