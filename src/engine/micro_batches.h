// Which pairs go through the model together. It changes speed and memory, never a score.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rerank {

// Tokens that go through the model together. More of them read the weights less often; fewer keep the activations in
// L2.
inline constexpr std::size_t kTokensPerMicroBatch = 512;

// Groups of pairs (indices into `tokens`) with at most `budget` tokens each, or a single longer pair. Longest pairs
// first, so that the last groups that the workers finish are short ones; within a group, pairs fill what room is left.
//   tokens  [pairs], 0 for a pair that must not run
std::vector<std::vector<std::size_t>> make_micro_batches(std::span<const std::uint32_t> tokens, std::size_t budget);

// The same for a number of workers: where there are only a few groups for each of them, groups of like size, so that
// the workers finish together. No more groups than leave each enough tokens to be worth reading the weights for.
std::vector<std::vector<std::size_t>> make_micro_batches(std::span<const std::uint32_t> tokens, std::size_t budget,
                                                         std::size_t workers);

}  // namespace rerank
