// A score depends on its pair, the model, the dtype and the CPU level, and on nothing else, to the last printed digit.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <sstream>

#include "cli/program.h"

namespace rerank::testing {
namespace {

// A thousand pairs of all lengths; `count` of them.
std::vector<std::string> pair_lines(std::size_t count) {
  const char* words[] = {"panda", "bear", "bamboo", "the", "what", "is",
                         "China", "eats", "Paris",  "law", "of",   "cells"};
  std::mt19937 random(1);
  const auto text = [&](unsigned longest) {
    std::string joined = "a";
    for (unsigned left = random() % longest; left > 0; --left)
      joined += std::string(" ") + words[random() % std::size(words)];
    return joined;
  };
  std::vector<std::string> lines;
  for (std::size_t n = 0; n < count; ++n)
    lines.push_back("{\"query\":\"" + text(8) + "\",\"passage\":\"" + text(n % 50 == 0 ? 600 : 24) + "\"}\n");
  return lines;
}

// A level that the machine lacks falls back to the best that it has.
class SameBits : public ProgramTest, public ::testing::WithParamInterface<const char*> {
 protected:
  // The scores as they are printed, in input order.
  std::vector<std::string> scores(const std::string& input, const std::string& threads) const {
    const Outcome outcome = run({"score", "--input", "-", "--threads", threads, "--cpu-level", GetParam()}, input);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    std::vector<std::string> list;
    std::istringstream stream(outcome.out);
    for (std::string line; std::getline(stream, line);) list.push_back(line.substr(line.find("\"score\":")));
    return list;
  }
};
INSTANTIATE_TEST_SUITE_P(Levels, SameBits, ::testing::Values("scalar", "avx2", "avx512", "avx512-bf16", "amx"));

TEST_P(SameBits, WhateverTheThreadsTheOrderAndTheNeighbours) {
  const bool slow = GetParam() == std::string_view("scalar");
  const std::vector<std::string> pairs = pair_lines(slow ? 60 : 1000);
  std::vector<std::size_t> order(pairs.size());
  for (std::size_t n = 0; n < order.size(); ++n) order[n] = n;
  const auto joined = [&] {
    std::string input;
    for (const std::size_t pair_idx : order) input += pairs[pair_idx];
    return input;
  };

  const std::vector<std::string> expected = scores(joined(), "1");
  ASSERT_EQ(expected.size(), pairs.size());
  EXPECT_EQ(scores(joined(), "2"), expected);

  std::shuffle(order.begin(), order.end(), std::mt19937(2));
  const std::vector<std::string> shuffled = scores(joined(), "2");
  ASSERT_EQ(shuffled.size(), pairs.size());
  for (std::size_t n = 0; n < order.size(); ++n) ASSERT_EQ(shuffled[n], expected[order[n]]) << order[n];

  for (std::size_t pair_idx = 0; pair_idx < pairs.size(); pair_idx += pairs.size() / 12)
    ASSERT_EQ(scores(pairs[pair_idx], "2"), std::vector<std::string>{expected[pair_idx]}) << pair_idx << " alone";
}

}  // namespace
}  // namespace rerank::testing
