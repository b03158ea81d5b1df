#include "base/checksum.h"

#include <algorithm>
#include <cstring>

namespace rerank {
namespace {

// Each step can be undone, so no two words lead from the same state to the same one. The shift brings the upper bits,
// which a product passes on to nobody, down to where they count.
constexpr std::uint64_t step(std::uint64_t state, std::uint64_t word) {
  const std::uint64_t product = (state ^ word) * 0x9E3779B97F4A7C15;
  return product ^ product >> 32;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) {
  constexpr std::size_t kLanes = 8;  // a product waits for the one before; so many chains keep the CPU busy
  std::uint64_t lanes[kLanes] = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto take = [&lanes](const std::byte* from) {
    std::uint64_t words[kLanes];
    std::memcpy(words, from, sizeof words);
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = step(lanes[i], words[i]);
  };
  const std::size_t whole = bytes.size() / sizeof lanes * sizeof lanes;
  for (std::size_t at = 0; at < whole; at += sizeof lanes) take(bytes.data() + at);
  std::byte rest[sizeof lanes] = {};
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(whole), bytes.end(), rest);
  take(rest);
  std::uint64_t sum = bytes.size();
  for (const std::uint64_t lane : lanes) sum = step(sum, lane);
  return sum;
}

}  // namespace rerank
