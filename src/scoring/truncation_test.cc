#include "scoring/truncation.h"

#include <gtest/gtest.h>

namespace rerank::scoring {
namespace {

struct TruncationCase {
  const char* why;
  std::size_t query, passage;
  PairLimits limits;
  Kept kept;
};

class FlagEmbedding : public ::testing::TestWithParam<TruncationCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, FlagEmbedding,
    ::testing::Values(TruncationCase{"fits, nothing is cut", 4, 10, {512, 384, 4}, {4, 10}},
                      TruncationCase{"fits exactly", 4, 504, {512, 384, 4}, {4, 504}},
                      TruncationCase{"only the passage is cut", 4, 600, {512, 384, 4}, {4, 504}},
                      TruncationCase{"the query is cut at its own limit first", 600, 50, {512, 384, 4}, {384, 50}},
                      TruncationCase{"then the passage", 600, 600, {512, 384, 4}, {384, 124}},
                      TruncationCase{"an empty passage stays empty", 600, 0, {512, 384, 4}, {384, 0}},
                      TruncationCase{"one token of the passage stays", 59, 9, {64, 64, 4}, {59, 1}},
                      TruncationCase{"nothing would stay: nothing is cut", 60, 9, {64, 64, 4}, {60, 9}}));
TEST_P(FlagEmbedding, KeepsTheExpectedTokens) {
  const TruncationCase& c = GetParam();
  EXPECT_EQ(truncate_flagembedding(c.query, c.passage, c.limits), c.kept) << c.why;
}

class LongestFirst : public ::testing::TestWithParam<TruncationCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, LongestFirst,
    ::testing::Values(TruncationCase{"fits, nothing is cut", 4, 10, {512, 0, 4}, {4, 10}},
                      TruncationCase{"the longer passage is cut", 10, 100, {64, 0, 4}, {10, 50}},
                      TruncationCase{"the longer query is cut", 100, 10, {64, 0, 4}, {50, 10}},
                      TruncationCase{"both share", 100, 100, {64, 0, 4}, {30, 30}},
                      TruncationCase{"the odd token goes to the longer passage", 90, 100, {65, 0, 4}, {30, 31}},
                      TruncationCase{"the odd token goes to the longer query", 100, 90, {65, 0, 4}, {31, 30}},
                      TruncationCase{"the odd token goes to the passage when equal", 90, 90, {65, 0, 4}, {30, 31}},
                      TruncationCase{"no room but for the special tokens", 5, 5, {4, 0, 4}, {0, 0}}));
TEST_P(LongestFirst, KeepsTheExpectedTokens) {
  const TruncationCase& c = GetParam();
  EXPECT_EQ(truncate_longest_first(c.query, c.passage, c.limits), c.kept) << c.why;
}

}  // namespace
}  // namespace rerank::scoring
