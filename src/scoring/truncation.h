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

// FlagEmbedding (FlagReranker, encoder_only/base.py): the query is cut to query_max_length, the passage to max_length,
// then the passage until the pair fits. If that would leave nothing of the passage, nothing more is cut, and the pair
// stays too long.
Kept truncate_flagembedding(std::size_t query, std::size_t passage, const PairLimits& limits);

// The card's plain pair call: longest_first of the `tokenizers` library. The longer text is cut to the shorter one's
// length first; then both share what is left, the odd token going to the longer one, or to the passage when they are
// equally long.
Kept truncate_longest_first(std::size_t query, std::size_t passage, const PairLimits& limits);

}  // namespace rerank::scoring
