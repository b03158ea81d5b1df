#include "engine/score_cache.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace rerank {
namespace {

Score score_of(double value) {
  Score score;
  score.value = value;
  return score;
}

ScoreCache::Key key_of(const ScoreCache& cache, const ScoreOptions& options, const Pair& pair = {"q", "p"}) {
  return ScoreCache::Settings(cache, options).key_of(pair);
}

TEST(ScoreCache, FindsWhatItWasGiven) {
  ScoreCache cache(1 << 20);
  const ScoreCache::Settings settings(cache, {});
  EXPECT_FALSE(cache.find(settings.key_of({"q", "p"})));
  Score given{0.1, 12, 3, {0.5, 0.1}, "thoughts", 7, false};
  cache.insert(settings.key_of({"q", "p"}), given);
  const auto found = cache.find(settings.key_of({"q", "p"}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, 0.1);
  EXPECT_EQ(found->tokens, 12u);
  EXPECT_EQ(found->cut_tokens, 3u);
  EXPECT_EQ(found->layer_values, given.layer_values);
  EXPECT_EQ(found->reasoning, "thoughts");
  EXPECT_EQ(found->new_tokens, 7u);
  EXPECT_FALSE(found->finished);
  EXPECT_FALSE(cache.find(settings.key_of({"qp", ""})));
  EXPECT_FALSE(cache.find(settings.key_of({"p", "q"})));
}

TEST(ScoreCache, EverySettingThatMayChangeAScoreIsPartOfTheKey) {
  const ScoreCache cache(1 << 20);
  const std::vector<std::function<void(ScoreOptions&)>> changes = {
      [](ScoreOptions& o) { o.max_length = 100; },
      [](ScoreOptions& o) { o.query_max_length = 100; },
      [](ScoreOptions& o) { o.truncation = Truncation::kCard; },
      [](ScoreOptions& o) { o.special_tokens_in_text = false; },
      [](ScoreOptions& o) { o.normalize = true; },
      [](ScoreOptions& o) { o.query_instruction = ""; },
      [](ScoreOptions& o) { o.query_instruction = "A: "; },
      [](ScoreOptions& o) { o.query_instruction_format = "{} {}"; },
      [](ScoreOptions& o) { o.passage_instruction = ""; },
      [](ScoreOptions& o) { o.passage_instruction_format = "{} {}"; },
      [](ScoreOptions& o) { o.prompt = "Is it?"; },
      [](ScoreOptions& o) { o.cutoff_layers = {8}; },
      [](ScoreOptions& o) {
        o.cutoff_layers = {8, 16};
      },
      [](ScoreOptions& o) {
        o.cutoff_layers = {16, 8};
      },
      [](ScoreOptions& o) { o.compress_ratio = 2; },
      [](ScoreOptions& o) {
        o.compress_layers = {8, 16};
      },
      [](ScoreOptions& o) { o.heads = Heads::kByLayer; },
      [](ScoreOptions& o) { o.attention_softcap = true; },
      [](ScoreOptions& o) { o.top_logprobs = 20; },
      [](ScoreOptions& o) { o.readout = Readout::kHighMinusLow; },
      [](ScoreOptions& o) { o.max_new_tokens = 0; },
      [](ScoreOptions& o) { o.think_budget = 10; },
      [](ScoreOptions& o) { o.verdict = Verdict::kCard; },
      [](ScoreOptions& o) { o.rethink = 1; },
      [](ScoreOptions& o) { o.ignore_stop = true; },
  };
  std::vector<ScoreCache::Key> keys = {key_of(cache, {})};
  for (const auto& change : changes) {
    ScoreOptions options;
    change(options);
    keys.push_back(key_of(cache, options));
  }
  for (std::size_t i = 0; i < keys.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
}

TEST(ScoreCache, HowAScoreIsComputedIsNot) {
  const ScoreCache cache(1 << 20);
  ScoreOptions options;
  options.share_prefixes = false;
  options.on_score = [](std::size_t, const Result<Score>&) { return true; };
  EXPECT_EQ(key_of(cache, options), key_of(cache, {}));
}

TEST(ScoreCache, StaysWithinItsBytesAndForgetsWhatWasNotUsedForLongest) {
  ScoreCache one(1 << 20);
  one.insert(key_of(one, {}), score_of(1));
  const std::size_t bytes_of_one = one.bytes();
  ScoreCache cache(10 * bytes_of_one);
  const ScoreCache::Settings settings(cache, {});
  const auto key = [&](int i) { return settings.key_of({"q", std::to_string(i)}); };
  for (int i = 0; i < 10; ++i) cache.insert(key(i), score_of(i));
  EXPECT_TRUE(cache.find(key(0)));  // so that 1 is the oldest
  cache.insert(key(10), score_of(10));
  EXPECT_LE(cache.bytes(), 10 * bytes_of_one);
  EXPECT_TRUE(cache.find(key(0)));
  EXPECT_FALSE(cache.find(key(1)));
  EXPECT_TRUE(cache.find(key(2)));
  Score long_one = score_of(0);
  long_one.reasoning.assign(20 * bytes_of_one, 'x');  // more than there is room for
  cache.insert(key(11), long_one);
  EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace rerank
