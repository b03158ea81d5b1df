#include "scoring/lengths.h"

#include <fmt/format.h>

#include <algorithm>

namespace rerank::scoring {

Status check_lengths(const ScoreOptions& options) {
  if (options.max_length < 0)
    return Error{Error::Code::kBadInput, fmt::format("{} is no number of tokens", options.max_length), "--max-length",
                 "leave it out for the default"};
  if (options.query_max_length < 0)
    return Error{Error::Code::kBadInput, fmt::format("{} is no number of tokens", options.query_max_length),
                 "--query-max-length", "leave it out for three quarters of the maximum length"};
  return {};
}

Status check_positions(int max_length, long long longest, int max_positions) {
  if (longest <= max_positions) return {};
  const long long beside = longest - max_length;
  const std::string with = beside > 0 ? fmt::format(", with {} of separators and prompt,", beside) : "";
  return Error{Error::Code::kBadInput,
               fmt::format("{} tokens{} are more than the model's {} positions", max_length, with, max_positions),
               "--max-length", fmt::format("use {} or less", std::max(max_positions - beside, 0LL))};
}

int query_length(const ScoreOptions& options, int max_length) {
  return options.query_max_length > 0 ? options.query_max_length
                                      : static_cast<int>(static_cast<long long>(max_length) * 3 / 4);
}

}  // namespace rerank::scoring
