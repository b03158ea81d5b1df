#include "cli/score_window.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rerank::cli {
namespace {

TEST(ScoreWindow, LastsAboutTheSameTimeWhateverTheSpeed) {
  for (const double pairs_per_second : {1.0, 20.0, 300.0, 100'000.0}) {
    ScoreWindow window;
    for (int round = 0; round < 10; ++round)
      window.scored(window.pairs(), static_cast<double>(window.pairs()) / pairs_per_second);
    const double wanted = pairs_per_second * ScoreWindow::kSeconds;
    const double expected = std::clamp<double>(wanted, ScoreWindow::kFewestPairs, ScoreWindow::kMostPairs);
    EXPECT_NEAR(static_cast<double>(window.pairs()), expected, 1.5) << pairs_per_second;
  }
}

TEST(ScoreWindow, GrowsStepByStepAndIsBounded) {
  ScoreWindow window;
  window.scored(window.pairs(), 0);
  EXPECT_EQ(window.pairs(), 4 * ScoreWindow::kFewestPairs);
  window.scored(window.pairs(), 1e9);
  EXPECT_EQ(window.pairs(), ScoreWindow::kFewestPairs);
}

TEST(ScoreWindow, IsFullByPairsOrByBytes) {
  const ScoreWindow window;
  EXPECT_FALSE(window.full(window.pairs() - 1, 0));
  EXPECT_TRUE(window.full(window.pairs(), 0));
  EXPECT_TRUE(window.full(1, ScoreWindow::kBytes));
}

}  // namespace
}  // namespace rerank::cli
