#include "engine/micro_batches.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace rerank {

std::vector<std::vector<std::size_t>> make_micro_batches(std::span<const std::uint32_t> tokens, std::size_t budget) {
  std::vector<std::size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return tokens[a] > tokens[b]; });
  std::vector<std::vector<std::size_t>> batches;
  std::multimap<std::size_t, std::size_t> by_room;  // room left -> batch; best fit: the smallest room that is enough
  for (const std::size_t pair_idx : order) {
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

}  // namespace rerank
