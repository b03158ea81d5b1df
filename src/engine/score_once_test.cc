#include "engine/score_once.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/pair_encoding.h"

namespace rerank {
namespace {

// The length of the passage is the score; "bad" has none. Keeps what it was asked for.
class Lengths : public Scorer {
 public:
  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                const Progress& progress) const override {
    std::vector<Result<Score>> scores;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      asked.emplace_back(pairs[i].passage);
      if (options.on_reasoning) options.on_reasoning(i, pairs[i].passage);
      scores.emplace_back(result(i, pairs[i]));
      if (options.on_score && !options.on_score(i, scores.back())) break;
      if (progress) progress(i + 1);
    }
    while (scores.size() < pairs.size()) scores.emplace_back(at_pair(scores.size(), stopped()));
    return scores;
  }
  Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair>, const ScoreOptions&) const override {
    return std::vector<Result<PairTokens>>();
  }
  std::vector<std::string> remarks(const ScoreOptions&) const override { return {}; }
  Work work() const override { return {}; }

  mutable std::vector<std::string> asked;

 private:
  static Result<Score> result(std::size_t i, const Pair& pair) {
    if (pair.passage == "bad") return at_pair(i, {Error::Code::kBadInput, "bad", "", ""});
    Score score;
    score.value = static_cast<double>(pair.passage.size());
    score.tokens = 2;
    return score;
  }
};

using Strings = std::vector<std::string>;

class ScoreOnce : public ::testing::Test {
 protected:
  std::vector<Result<Score>> run(const Strings& passages, const ScoreOptions& options = {},
                                 const Progress& progress = {}) {
    std::vector<Pair> pairs;
    for (const std::string& passage : passages) pairs.push_back({"q", passage});
    scorer_.asked.clear();
    auto scores = score_once(scorer_, cache_, counts_, pairs, options, progress);
    EXPECT_TRUE(scores.ok());
    return std::move(scores).value();
  }
  // Scores, or the names of pairs without one.
  static Strings shown(const std::vector<Result<Score>>& scores) {
    Strings all;
    for (const auto& score : scores)
      all.push_back(score.ok() ? std::to_string(static_cast<int>(score.value().value)) : score.error().where);
    return all;
  }

  Lengths scorer_;
  ScoreCache known_{1 << 20};
  ScoreCache* cache_ = nullptr;
  ReuseCounts counts_;
};

TEST_F(ScoreOnce, EqualPairsAreAskedForOnce) {
  const auto scores = run({"a", "bb", "a", "bad", "bb", "ccc", "bad"});
  EXPECT_EQ(shown(scores), (Strings{"1", "2", "1", "pair 3", "2", "3", "pair 6"}));
  EXPECT_EQ(scorer_.asked, (Strings{"a", "bb", "bad", "ccc"}));
  EXPECT_EQ(counts_.repeated_pairs, 3u);
  EXPECT_EQ(counts_.tokens, 4u);  // of the second a and the second bb
}

TEST_F(ScoreOnce, KnownPairsAreNotAskedFor) {
  cache_ = &known_;
  EXPECT_EQ(shown(run({"a", "bad", "bb"})), (Strings{"1", "pair 1", "2"}));
  EXPECT_EQ(shown(run({"ccc", "bb", "a", "bad", "bb"})), (Strings{"3", "2", "1", "pair 3", "2"}));
  EXPECT_EQ(scorer_.asked, (Strings{"ccc", "bad"}));  // an error is not kept
  EXPECT_EQ(counts_.cache_hits, 2u);
  EXPECT_EQ(counts_.cache_misses, 5u);
  EXPECT_EQ(counts_.repeated_pairs, 1u);
  EXPECT_EQ(counts_.tokens, 6u);
  EXPECT_EQ(shown(run({"a", "bb"})), (Strings{"1", "2"}));
  EXPECT_EQ(scorer_.asked, Strings());
}

TEST_F(ScoreOnce, EverybodyIsToldOfEveryPair) {
  cache_ = &known_;
  run({"bb"});
  Strings told, texts;
  std::vector<std::size_t> done;
  ScoreOptions options;
  options.on_score = [&](std::size_t pair_idx, const Result<Score>& score) {
    told.push_back(std::to_string(pair_idx) + (score.ok() ? " scored" : " at " + score.error().where));
    return true;
  };
  options.on_reasoning = [&](std::size_t pair_idx, std::string_view text) {
    texts.push_back(std::to_string(pair_idx) + std::string(text));
    return true;
  };
  run({"a", "bb", "bad", "a", "bad", "bb"}, options, [&](std::size_t pairs_done) { done.push_back(pairs_done); });
  EXPECT_EQ(told, (Strings{"1 scored", "5 scored", "0 scored", "3 scored", "2 at pair 2", "4 at pair 4"}));
  EXPECT_EQ(texts, (Strings{"0a", "3a", "2bad", "4bad"}));
  EXPECT_EQ(done, (std::vector<std::size_t>{2, 5, 6}));
}

TEST_F(ScoreOnce, WhoHasHeardEnoughIsToldNoMore) {
  cache_ = &known_;
  run({"bb"});
  int told = 0;
  ScoreOptions options;
  options.on_score = [&](std::size_t, const Result<Score>&) { return ++told < 1; };
  EXPECT_EQ(shown(run({"a", "bb", "ccc"}, options)), (Strings{"pair 0", "2", "pair 2"}));
  EXPECT_EQ(scorer_.asked, Strings());
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace rerank
