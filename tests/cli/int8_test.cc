// --dtype int8 on real texts and a trained model: the rankings of float32, nearly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Int8 : public ProgramTest {
 protected:
  using Scores = std::map<std::string, std::map<std::string, double>>;  // of each query, by passage

  // The embedded model's scores of the example collection, all pairs of its first stage.
  Scores scores_of(const std::vector<std::string>& options) const {
    const std::string collection = RERANK_SOURCE_DIR "/examples/collection";
    std::vector<std::string> arguments = {"run",      "--dataset",  collection, "--run", collection + "/bm25.trec",
                                          "--output", "scores.trec"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    Scores scores;
    std::istringstream lines(read("scores.trec"));
    std::string query, q0, passage, rank, score, tag;
    while (lines >> query >> q0 >> passage >> rank >> score >> tag)
      scores[query][passage] = std::strtod(score.c_str(), nullptr);
    std::filesystem::remove(path("scores.trec"));
    std::filesystem::remove(path("scores.trec.manifest.json"));
    return scores;
  }
};

// How many of the others have a larger score.
std::vector<double> ranks_of(const std::map<std::string, double>& scores) {
  std::vector<double> ranks;
  for (const auto& one : scores)
    ranks.push_back(static_cast<double>(
        std::count_if(scores.begin(), scores.end(), [&](const auto& other) { return other.second > one.second; })));
  return ranks;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  const auto n = static_cast<double>(a.size());
  return 1 - 6 * squares / (n * (n * n - 1));  // Spearman, without ties
}

TEST_F(Int8, RanksAsFloat32DoesAndTheSameInAnyOrder) {
  const Scores f32 = scores_of({"--dtype", "f32"}), int8 = scores_of({"--dtype", "int8", "--threads", "1"});
  ASSERT_EQ(f32.size(), 8u);
  EXPECT_NE(f32, int8);
  EXPECT_EQ(scores_of({"--dtype", "int8", "--threads", "2"}), int8);
  double mean = 0, squared_errors = 0, squares = 0;
  for (const auto& [query, scores] : f32) {
    ASSERT_EQ(int8.at(query).size(), scores.size());
    ASSERT_EQ(scores.size(), 40u);
    mean += correlation(ranks_of(scores), ranks_of(int8.at(query))) / static_cast<double>(f32.size());
    for (const auto& [passage, score] : scores) {
      squared_errors += std::pow(int8.at(query).at(passage) - score, 2);
      squares += score * score;
    }
  }
  EXPECT_GT(mean, 0.98);
  EXPECT_LT(std::sqrt(squared_errors / squares), 0.05);
}

}  // namespace
}  // namespace rerank::testing
