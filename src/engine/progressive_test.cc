#include "engine/progressive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace rerank {
namespace {

// Early scores that tell the last ones up to a normal error.
struct Scores {
  std::vector<double> early, last;

  Scores(std::size_t count, double error, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < count; ++i) {
      last.push_back(normal(random));
      early.push_back(3 * last.back() - 1 + error * normal(random));
    }
  }
  std::set<std::size_t> best(std::size_t n) const {
    std::vector<std::size_t> order(last.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return last[a] > last[b]; });
    return {order.begin(), order.begin() + static_cast<std::ptrdiff_t>(std::min(n, order.size()))};
  }
  LastScores read(std::size_t top_n) const {
    auto read = read_contenders(early, top_n, 3, [this](std::span<const std::size_t> passages) {
      std::vector<double> scores;
      for (const std::size_t passage : passages) scores.push_back(last[passage]);
      return Result<std::vector<double>>(scores);
    });
    EXPECT_TRUE(read.ok());
    return std::move(read).value();
  }
};

std::size_t found(const Scores& scores, const LastScores& read, std::size_t top_n) {
  const auto best = scores.best(top_n);
  return static_cast<std::size_t>(
      std::count_if(read.passages.begin(), read.passages.end(), [&](std::size_t p) { return best.contains(p); }));
}

TEST(Progressive, AnEarlyLayerThatTellsMuchSparesMostPassages) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const Scores scores(200, 0.3, seed);
    const LastScores read = scores.read(10);
    EXPECT_EQ(found(scores, read, 10), 10u) << seed;
    EXPECT_LT(read.passages.size(), 60u) << seed;
  }
}

TEST(Progressive, OneThatTellsNothingSparesFew) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const Scores scores(200, 100, seed);
    const LastScores read = scores.read(10);
    EXPECT_GE(found(scores, read, 10), 9u) << seed;
    EXPECT_GT(read.passages.size(), 100u) << seed;
  }
}

TEST(Progressive, EachPassageIsReadOnceAndWithItsOwnScore) {
  for (const std::size_t count : {0u, 1u, 2u, 9u, 10u, 11u, 37u, 200u}) {
    const Scores scores(count, 1, 1);
    const LastScores read = scores.read(10);
    EXPECT_EQ(std::set<std::size_t>(read.passages.begin(), read.passages.end()).size(), read.passages.size());
    for (std::size_t i = 0; i < read.passages.size(); ++i) EXPECT_EQ(read.scores[i], scores.last[read.passages[i]]);
    EXPECT_GE(read.passages.size(), std::min<std::size_t>(count, 10));
  }
}

TEST(Progressive, EqualEarlyScoresTellNothing) {
  Scores scores(40, 0, 3);
  std::fill(scores.early.begin(), scores.early.end(), 1.0);
  EXPECT_EQ(found(scores, scores.read(5), 5), 5u);
}

TEST(Progressive, AnErrorEndsIt) {
  const std::vector<double> early(5, 0.0);
  const auto read = read_contenders(early, 2, 3, [](std::span<const std::size_t>) -> Result<std::vector<double>> {
    return Error{Error::Code::kInternal, "no", "", ""};
  });
  EXPECT_FALSE(read.ok());
}

}  // namespace
}  // namespace rerank
