#include "base/checksum.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace rerank {
namespace {

TEST(Checksum, ChangesWithEveryBit) {
  std::vector<std::byte> bytes(200);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37);
  std::set<std::uint64_t> sums{checksum(bytes)};
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::byte> changed = bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_TRUE(sums.insert(checksum(changed)).second) << bit;
  }
}

TEST(Checksum, ChangesWithTheLength) {
  const std::vector<std::byte> zeros(300);
  std::set<std::uint64_t> sums;
  for (std::size_t size = 0; size <= zeros.size(); ++size)
    EXPECT_TRUE(sums.insert(checksum(std::span(zeros).first(size))).second) << size;
}

// The upper bits of a product reach no others: two of them would cancel out.
TEST(Checksum, ChangesWithTwoEqualChangesInOneLane) {
  const std::vector<std::byte> bytes(1024);
  for (std::size_t first = 0; first < 64; ++first) {
    std::vector<std::byte> changed = bytes;
    changed[first] ^= std::byte{0x80};
    changed[first + 64] ^= std::byte{0x80};
    EXPECT_NE(checksum(changed), checksum(bytes)) << first;
  }
}

}  // namespace
}  // namespace rerank
