// Which passages a model with heads at several layers need not finish to find the best ones.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "rerank/error.h"

namespace rerank {

// Reads the last layer's scores of some passages.
using ReadLast = std::function<Result<std::vector<double>>(std::span<const std::size_t> passages)>;

// The passages that may be among the `top_n` best by the last layer, with that layer's scores, for `early` scores of an
// earlier layer. Read are first the best ones by `early` and some of all the others. A line through what is known,
// last = a early + b, then says what to expect of the rest and how far it may be off; who would be among the best with
// `deviations` standard deviations more than that is read as well, until there is none. So the best ones are found but
// for passages whose last score is further off than that: how many, only a model's own scores can tell.
struct LastScores {
  std::vector<std::size_t> passages;  // in the order they were read in
  std::vector<double> scores;
};
Result<LastScores> read_contenders(std::span<const double> early, std::size_t top_n, double deviations,
                                   const ReadLast& read_last);

}  // namespace rerank
