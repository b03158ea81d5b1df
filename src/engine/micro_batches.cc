#include "engine/micro_batches.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace rerank {
namespace {

// A group of fewer tokens waits for the weights rather than for its products.
constexpr std::size_t kFewestTokens = 64;
// Groups for each worker from which on it does not matter which of them is the last to finish.
constexpr std::size_t kManyGroups = 4;

// Longest first.
std::vector<std::size_t> by_length(std::span<const std::uint32_t> tokens) {
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return tokens[a] > tokens[b]; });
  return order;
}

// Each pair, longest first, to the group with the fewest tokens (Graham 1969), or to a new one where it does not fit.
std::vector<std::vector<std::size_t>> spread(std::span<const std::uint32_t> tokens, std::size_t budget,
                                             std::size_t groups) {
  std::vector<std::vector<std::size_t>> batches(groups);
  std::vector<std::size_t> filled(groups);
  for (const std::size_t pair_idx : by_length(tokens)) {
    if (tokens[pair_idx] == 0) break;
    auto group = static_cast<std::size_t>(std::min_element(filled.begin(), filled.end()) - filled.begin());
    if (filled[group] > 0 && filled[group] + tokens[pair_idx] > budget) {
      group = batches.size();
      batches.emplace_back();
      filled.push_back(0);
    }
    batches[group].push_back(pair_idx);
    filled[group] += tokens[pair_idx];
  }
  std::erase_if(batches, [](const auto& batch) { return batch.empty(); });
  return batches;
}

}  // namespace

std::vector<std::vector<std::size_t>> make_micro_batches(std::span<const std::uint32_t> tokens, std::size_t budget) {
  std::vector<std::vector<std::size_t>> batches;
  std::multimap<std::size_t, std::size_t> by_room;  // room left -> batch; best fit: the smallest room that is enough
  for (const std::size_t pair_idx : by_length(tokens)) {
    const std::size_t length = tokens[pair_idx];
    if (length == 0) break;
    const auto fit = by_room.lower_bound(length);
    if (fit == by_room.end()) {
      batches.push_back({pair_idx});
      if (length < budget) by_room.emplace(budget - length, batches.size() - 1);
      continue;
    }
    const auto [room, batch_idx] = *fit;
    by_room.erase(fit);
    batches[batch_idx].push_back(pair_idx);
    if (room > length) by_room.emplace(room - length, batch_idx);
  }
  return batches;
}

std::vector<std::vector<std::size_t>> make_micro_batches(std::span<const std::uint32_t> tokens, std::size_t budget,
                                                         std::size_t workers) {
  const std::size_t total = std::accumulate(tokens.begin(), tokens.end(), std::size_t{0});
  if (total > kManyGroups * workers * budget) return make_micro_batches(tokens, budget);
  const std::size_t rounds = (total + workers * budget - 1) / (workers * budget);
  return spread(tokens, budget,
                std::clamp<std::size_t>(total / kFewestTokens, 1, std::max<std::size_t>(1, rounds * workers)));
}

}  // namespace rerank
