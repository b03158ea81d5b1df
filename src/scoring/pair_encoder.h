// How a (query, passage) pair becomes the token ids of a cross-encoder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "rerank/options.h"
#include "scoring/truncation.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

struct EncodedPair {
  std::vector<std::int32_t> ids, type_ids;
  std::uint32_t cut_tokens = 0;  // of query and passage, by truncation
};

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

// Immutable and shared between threads; borrows the tokenizer.
class PairEncoder {
 public:
  // kBadInput when no pair can fit the options or the model's `max_positions`.
  static Result<PairEncoder> make(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                  int max_positions);

  // A query's part of the work, done once for all of its passages.
  Result<std::vector<std::int32_t>> encode_query(std::string_view query) const;
  // kBadInput when a text is not UTF-8.
  Result<EncodedPair> encode(const std::vector<std::int32_t>& query_ids, std::string_view passage) const;

 private:
  PairEncoder(const tokenizer::Tokenizer& tokenizer, PairLimits limits, const ScoreOptions& options,
              InstructionFormat query, InstructionFormat passage)
      : tokenizer_(&tokenizer),
        limits_(limits),
        truncation_(options.truncation),
        query_format_(std::move(query)),
        passage_format_(std::move(passage)) {
    encode_options_.special_tokens_in_text = options.special_tokens_in_text;
  }

  const tokenizer::Tokenizer* tokenizer_;
  PairLimits limits_;
  Truncation truncation_;
  InstructionFormat query_format_, passage_format_;
  tokenizer::EncodeOptions encode_options_;
};

}  // namespace rerank::scoring
