// Pairs of the rank1 rerankers: a prompt that ends where the model begins to think, as raw text without a chat
// template. Sources: create_prompt in the model card of jhu-clsp/rank1-7b; return_prompt in rank1.py of orionw/rank1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "rerank/options.h"
#include "scoring/instruction.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

struct ReasoningPrompt {
  std::string text;               // what the ids were made of: the passage as truncation left it
  std::vector<std::int32_t> ids;  // with what the tokenizer's post-processor adds
  std::uint32_t cut_tokens = 0;   // of query and passage
};

// How one call writes its pairs. Immutable; borrows the tokenizer.
class ReasoningPrompts {
 public:
  // The context holds prompt and new tokens: max_length, by default 16000 or the model's positions if fewer. New tokens
  // are max_new_tokens, by default 8192 of 16000 and as large a share of a smaller context, and never more than a
  // think_budget. options.prompt goes around the query: it has the query's place as FILL_QUERY_HERE.
  // kBadInput for lengths out of range, new tokens that leave no room, and a prompt without that place.
  static Result<ReasoningPrompts> make(const tokenizer::Tokenizer& tokenizer, const ScoreOptions& options,
                                       int max_positions);

  // A prompt that is too long loses the end of its passage, at the border of a token: one that does not fit the
  // context, or leaves a forced verdict no room in the model's positions. The query is cut only where query_max_length
  // says so.
  // kBadInput for text that is not UTF-8, and when the prompt is too long without any passage.
  Result<ReasoningPrompt> encode(std::string_view query, std::string_view passage) const;

  // The prompt after which " true" or " false" comes next, whatever the model wrote: `reasoning` up to its last
  // sentence, and the end of thinking. Tokenized as one text, so tokens may cross its parts. Reasoning that is longer
  // than the model's positions, when tokenized like this, ends at an earlier sentence.
  Result<std::vector<std::int32_t>> encode_forced(const ReasoningPrompt& prompt, std::string_view reasoning) const;

  // The prompt after which the model thinks on behind `reasoning`, which ends in second thoughts. Tokenized as one
  // text. Nothing where that leaves no room for a new token.
  Result<std::optional<std::vector<std::int32_t>>> encode_rethink(const ReasoningPrompt& prompt,
                                                                  std::string_view reasoning) const;
  // New tokens that have room behind `ids`, which begin with those of the prompt.
  std::size_t room_behind(const ReasoningPrompt& prompt, const std::vector<std::int32_t>& ids) const {
    const std::size_t most = prompt.ids.size() + max_new_tokens_;
    return most > ids.size() ? most - ids.size() : 0;
  }

  std::size_t max_new_tokens() const { return max_new_tokens_; }
  // Whether generation that reached max_new_tokens() has used up its think_budget.
  bool budget_ends_it() const { return budget_ends_it_; }

 private:
  ReasoningPrompts(const tokenizer::Tokenizer& tokenizer, InstructionFormats instructions)
      : tokenizer_(&tokenizer), instructions_(std::move(instructions)) {}

  Result<std::string> write_query(std::string_view query, std::uint32_t& cut_tokens) const;
  Result<std::vector<std::int32_t>> tokenize(std::string_view text) const;
  Result<std::size_t> count_forced() const;
  Status cut_passage(std::size_t begin, std::size_t end, ReasoningPrompt& prompt) const;

  const tokenizer::Tokenizer* tokenizer_;
  InstructionFormats instructions_;
  std::string around_query_;  // with kQueryPlace in it
  tokenizer::EncodeOptions encode_options_;
  std::size_t max_prompt_ = 0, query_max_length_ = 0, max_new_tokens_ = 0, max_positions_ = 0;
  bool budget_ends_it_ = false;
};

// What a verdict that is taken back leaves: `reasoning` up to the end of thinking, if it is in there, and "Wait".
// Source: force_rethink in rank1.py.
std::string with_second_thoughts(std::string_view reasoning);

// `reasoning` up to its last full stop, exclamation or question mark (all of it where there is none), without white
// space at both ends. Source: the forced verdict in rank1.py.
std::string_view whole_sentences(std::string_view reasoning);

}  // namespace rerank::scoring
