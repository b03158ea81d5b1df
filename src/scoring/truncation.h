// The two ways in the wild to make a pair fit: how many tokens of each text stay.
#pragma once

#include <cstddef>

#include "rerank/options.h"

namespace rerank::scoring {

struct Kept {
  std::size_t query = 0, passage = 0;
  friend bool operator==(const Kept&, const Kept&) = default;
};

struct PairLimits {
  std::size_t max_length = 0;        // tokens of the pair, special tokens included
  std::size_t query_max_length = 0;  // tokens of the query alone; only FlagEmbedding's rule looks at it
  std::size_t special_tokens = 0;    // what the pair template adds
};

// How many tokens of `second` stay so that both fit max_length: only_second of transformers' prepare_for_model. If none
// would, all do, and the pair stays too long.
std::size_t truncate_only_second(std::size_t first, std::size_t second, std::size_t max_length);

// FlagEmbedding (FlagReranker, encoder_only/base.py): the query is cut to query_max_length, the passage to max_length,
// then only_second until the pair fits.
Kept truncate_flagembedding(std::size_t query, std::size_t passage, const PairLimits& limits);

// The card's plain pair call: longest_first of the `tokenizers` library. The longer text is cut to the shorter one's
// length first; then both share what is left, the odd token going to the longer one, or to the passage when they are
// equally long.
Kept truncate_longest_first(std::size_t query, std::size_t passage, const PairLimits& limits);

}  // namespace rerank::scoring
