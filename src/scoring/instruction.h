// The instruction that goes before a query or a passage.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank::scoring {

// An instruction and a text through a format: the first {} is the instruction, the second the text, \n (two characters)
// is a newline. Source: AbsReranker.get_detailed_instruct in FlagEmbedding.
class InstructionFormat {
 public:
  // kBadInput unless `format` has exactly two {} and no other brace. `option` names it in the error.
  static Result<InstructionFormat> make(std::string_view instruction, std::string_view format, std::string_view option);
  // The text itself when there is no instruction.
  std::string apply(std::string_view text) const;

 private:
  bool active_ = false;
  std::string before_, after_;  // around the text
};

// Those of both texts, as the options give them or, where they give none, as `default_query` and `default_passage` say.
struct InstructionFormats {
  InstructionFormat query, passage;

  static Result<InstructionFormats> make(const ScoreOptions& options, std::string_view default_query = {},
                                         std::string_view default_passage = {});
};

}  // namespace rerank::scoring
