// The checks of lengths that all methods share.
#pragma once

#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank::scoring {

// kBadInput for a negative max_length or query_max_length.
Status check_lengths(const ScoreOptions& options);

// kBadInput unless `longest`, the tokens of the longest pair that `max_length` allows, fit the model's positions.
Status check_positions(int max_length, long long longest, int max_positions);

// `query_max_length`, or three quarters of `max_length` where it is 0.
int query_length(const ScoreOptions& options, int max_length);

}  // namespace rerank::scoring
