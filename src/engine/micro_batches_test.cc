#include "engine/micro_batches.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace rerank {
namespace {

using Batches = std::vector<std::vector<std::size_t>>;

struct BatchCase {
  const char* why;
  std::vector<std::uint32_t> tokens;
  Batches batches;
};
class MicroBatches : public ::testing::TestWithParam<BatchCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, MicroBatches,
    ::testing::Values(BatchCase{"nothing", {}, {}}, BatchCase{"one that fits", {10}, {{0}}},
                      BatchCase{"one beyond the budget is alone", {500, 10}, {{0}, {1}}},
                      BatchCase{"short ones fill the room of long ones", {60, 90, 40, 10}, {{1, 3}, {0, 2}}},
                      BatchCase{"equal ones keep their order", {50, 50, 50}, {{0, 1}, {2}}},
                      BatchCase{"pairs that must not run are left out", {0, 30, 0}, {{1}}}));
TEST_P(MicroBatches, AreFilled) {
  EXPECT_EQ(make_micro_batches(GetParam().tokens, 100), GetParam().batches) << GetParam().why;
}

TEST(MicroBatches, HoldEveryPairOnceWithinTheBudget) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint32_t> tokens(random() % 200);
    for (auto& t : tokens) t = 1 + random() % 700;
    std::vector<int> seen(tokens.size());
    for (const auto& batch : make_micro_batches(tokens, 512)) {
      std::size_t total = 0;
      for (const std::size_t pair_idx : batch) total += tokens[pair_idx], ++seen[pair_idx];
      EXPECT_TRUE(total <= 512 || batch.size() == 1);
    }
    for (const int count : seen) EXPECT_EQ(count, 1);
  }
}

class SpreadBatches : public ::testing::TestWithParam<BatchCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, SpreadBatches,
    ::testing::Values(BatchCase{"nothing", {}, {}}, BatchCase{"one pair is one group", {300}, {{0}}},
                      BatchCase{"a few pairs are shared out", {90, 100, 110, 80}, {{2, 3}, {1, 0}}},
                      BatchCase{"too little to share", {20, 30, 40}, {{2, 1, 0}}},
                      BatchCase{"no group beyond the budget", {400, 400, 400}, {{0}, {1}, {2}}},
                      BatchCase{"two rounds of like size", {500, 300, 300, 300}, {{0}, {1}, {2}, {3}}}));
TEST_P(SpreadBatches, LetTwoWorkersFinishTogether) {
  EXPECT_EQ(make_micro_batches(GetParam().tokens, 512, 2), GetParam().batches) << GetParam().why;
}

TEST(SpreadBatches, HoldEveryPairOnceWithinTheBudget) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint32_t> tokens(random() % 40);
    for (auto& t : tokens) t = random() % 700;
    std::vector<int> seen(tokens.size());
    for (const auto& batch : make_micro_batches(tokens, 512, 1 + random() % 16)) {
      std::size_t total = 0;
      for (const std::size_t pair_idx : batch) total += tokens[pair_idx], ++seen[pair_idx];
      EXPECT_TRUE(total <= 512 || batch.size() == 1);
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(seen[i], tokens[i] > 0 ? 1 : 0);
  }
}

}  // namespace
}  // namespace rerank
