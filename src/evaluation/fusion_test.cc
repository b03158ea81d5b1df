#include "evaluation/fusion.h"

#include <gtest/gtest.h>

#include <string>

namespace rerank::evaluation {
namespace {

std::string line_of(const Ranking& ranking) {
  std::string line = ranking.query_id;
  for (const ScoredPassage& passage : ranking.passages) line += " " + passage.passage_id;
  return line;
}

FusedRun fuse_with(Fusion method, std::vector<double> weights, const std::vector<Run>& runs) {
  FusionOptions options;
  options.method = method;
  options.weights = std::move(weights);
  return fuse(runs, options);
}

TEST(Fusion, ZScoresHaveMeanZeroAndDeviationOneBeforeTheyAreAdded) {
  // Deviations sqrt(8/3) and sqrt(8/3) * 100: the runs count alike though their units differ.
  const evaluation::Run a{{{"q", {{"x", 5}, {"y", 3}, {"z", 1}}}}}, b{{{"q", {{"y", 700}, {"z", 500}, {"x", 300}}}}};
  const Ranking fused = fuse_with(Fusion::kZScore, {1, 1}, {a, b}).run.rankings[0];
  EXPECT_EQ(line_of(fused), "q y x z");
  const float unit = 1.2247449f;  // 2 / sqrt(8/3)
  EXPECT_FLOAT_EQ(fused.passages[0].score, unit);
  EXPECT_FLOAT_EQ(fused.passages[1].score, 0);
  EXPECT_FLOAT_EQ(fused.passages[2].score, -unit);
}

TEST(Fusion, AWeightMultipliesWhatARunGives) {
  const evaluation::Run a{{{"q", {{"x", 1}, {"y", 0}}}}}, b{{{"q", {{"x", 0}, {"y", 1}}}}};
  for (const Fusion method : {Fusion::kZScore, Fusion::kMinMax, Fusion::kReciprocalRank}) {
    EXPECT_EQ(line_of(fuse_with(method, {1, 0.5}, {a, b}).run.rankings[0]), "q x y");
    EXPECT_EQ(line_of(fuse_with(method, {0.5, 1}, {a, b}).run.rankings[0]), "q y x");
  }
}

TEST(Fusion, MinMaxBringsScoresBetweenZeroAndOne) {
  const evaluation::Run a{{{"q", {{"x", 30}, {"y", 15}, {"z", 10}}}}}, b{{{"q", {{"x", -4}, {"y", -2}, {"z", -3}}}}};
  const Ranking fused = fuse_with(Fusion::kMinMax, {1, 1}, {a, b}).run.rankings[0];
  EXPECT_EQ(line_of(fused), "q y x z");
  EXPECT_FLOAT_EQ(fused.passages[0].score, 1.25f);
  EXPECT_FLOAT_EQ(fused.passages[1].score, 1);
  EXPECT_FLOAT_EQ(fused.passages[2].score, 0.5f);
}

TEST(Fusion, ReciprocalRanksTakeTheOrderOfScoresNotOfTheFile) {
  const evaluation::Run a{{{"q", {{"y", 1}, {"x", 2}}}}}, b{{{"q", {{"x", 9}}}}};
  const Ranking fused = fuse_with(Fusion::kReciprocalRank, {1, 1}, {a, b}).run.rankings[0];
  EXPECT_EQ(line_of(fused), "q x y");
  EXPECT_FLOAT_EQ(fused.passages[0].score, static_cast<float>(2.0 / 61));
  EXPECT_FLOAT_EQ(fused.passages[1].score, static_cast<float>(1.0 / 62));
}

TEST(Fusion, APassageThatARunDoesNotRankCountsAsItsLast) {
  const evaluation::Run a{{{"q", {{"x", 3}, {"y", 1}}}}}, b{{{"q", {{"z", 8}, {"x", 6}}}}};
  for (const Fusion method : {Fusion::kZScore, Fusion::kMinMax}) {
    const Ranking fused = fuse_with(method, {1, 1}, {a, b}).run.rankings[0];
    EXPECT_EQ(line_of(fused), "q z x y");
    EXPECT_EQ(fused.passages[0].score, fused.passages[1].score);
  }
}

TEST(Fusion, QueriesOfAnyRunAreKeptAndThoseThatARunLacksAreCounted) {
  const evaluation::Run a{{{"q1", {{"x", 1}, {"y", 0}}}}}, b{{{"q2", {{"y", 2}}}, {"q1", {{"y", 1}, {"x", 0}}}}};
  const FusedRun fused = fuse_with(Fusion::kZScore, {2, 1}, {a, b});
  ASSERT_EQ(fused.run.rankings.size(), 2U);
  EXPECT_EQ(line_of(fused.run.rankings[0]), "q1 x y");
  EXPECT_EQ(line_of(fused.run.rankings[1]), "q2 y");
  EXPECT_EQ(fused.lacking, (std::vector<std::size_t>{1, 0}));
}

TEST(Fusion, EqualScoresSayNothing) {
  const evaluation::Run a{{{"q", {{"x", 7}, {"y", 7}, {"z", 7}}}}}, b{{{"q", {{"z", 2}, {"x", 1}, {"y", 0}}}}};
  for (const Fusion method : {Fusion::kZScore, Fusion::kMinMax})
    EXPECT_EQ(line_of(fuse_with(method, {100, 1}, {a, b}).run.rankings[0]), "q z x y");
}

TEST(Fusion, KeepsTheBestOfEachQuery) {
  const evaluation::Run a{{{"q", {{"x", 3}, {"y", 2}, {"z", 1}}}}};
  FusionOptions options;
  options.weights = {1};
  options.top_k = 2;
  EXPECT_EQ(line_of(fuse(std::vector<evaluation::Run>{a}, options).run.rankings[0]), "q x y");
}

}  // namespace
}  // namespace rerank::evaluation
