// Reasoning rerankers through the engine: what the reference writes and scores, the same bits however pairs come
// together, budgets, second thoughts, and what cannot be done.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "rerank/engine.h"
#include "support/golden_reasoning.h"
#include "support/sanitized.h"
#include "support/tiny_causal.h"

namespace rerank {
namespace {

using testing::GoldenReasoning;
using testing::TinyCausal;

Engine load(const std::filesystem::path& folder, EngineOptions options) {
  options.method = "reasoning";
  auto engine = Engine::load(folder, options);
  if (!engine.ok()) throw std::runtime_error(engine.error().message());
  return std::move(engine).value();
}

Engine load(const TinyCausal& checkpoint, const EngineOptions& options = {.dtype = Dtype::kF32}) {
  testing::TinyModel::Folder folder;
  checkpoint.write(folder);
  return load(folder.path, options);
}

ScoreOptions with_new_tokens(int max_new_tokens) {
  ScoreOptions options;
  options.max_new_tokens = max_new_tokens;
  return options;
}

std::vector<Result<Score>> score(const Engine& engine, std::span<const Pair> pairs, const ScoreOptions& options) {
  auto scores = engine.score_each(pairs, options);
  if (!scores.ok()) throw std::runtime_error(scores.error().message());
  return std::move(scores).value();
}

Score score_one(const Engine& engine, const Pair& pair, const ScoreOptions& options) {
  auto scores = score(engine, {&pair, 1}, options);
  if (!scores[0].ok()) throw std::runtime_error(scores[0].error().message());
  return std::move(scores[0]).value();
}

// All that is not known to the last bit from the outside is compared to the last bit.
void expect_equal(const Score& a, const Score& b) {
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.reasoning, b.reasoning);
  EXPECT_EQ(a.new_tokens, b.new_tokens);
  EXPECT_EQ(a.finished, b.finished);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.cut_tokens, b.cut_tokens);
}

// The toy model, which really writes reasoning and verdicts, with its pairs.
class Toy : public ::testing::Test {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("golden/rank1-toy");
    golden_.emplace("rank1-toy");
    for (const GoldenReasoning::Generated& row : golden_->generated())
      if (row.setting == "rank1-greedy") pairs_.push_back(pair_of(row));
  }

  static Engine engine(EngineOptions options = {}) {
    options.dtype = Dtype::kF32;
    return load(testing::shared_dir() / "golden" / "rank1-toy", options);
  }
  Pair pair_of(const GoldenReasoning::Generated& row) const {
    const GoldenReasoning::Pair& pair = golden_->pair(row.pair);
    return {pair.query, pair.passage};
  }
  // So many pairs; many of them are equal, as the toy knows but a few words.
  std::vector<Pair> many_pairs(std::size_t count) const {
    std::vector<Pair> many;
    for (std::size_t i = 0; i < count; ++i) many.push_back(pairs_[i * 7 % pairs_.size()]);
    return many;
  }

  std::optional<GoldenReasoning> golden_;
  std::vector<Pair> pairs_;
};

struct Reading {
  Verdict verdict;
  int max_new_tokens;
  const char* setting;
};

// What the model wrote, and the score that each reading gives it.
TEST_F(Toy, WritesAndScoresWhatTheReferenceDoes) {
  const Engine engine = this->engine();
  std::size_t compared = 0, forced = 0, refused = 0;
  for (const Reading& reading :
       {Reading{Verdict::kForced, 64, "rank1-greedy"}, Reading{Verdict::kOfficial, 64, "rank1-greedy"},
        Reading{Verdict::kCard, 64, "rank1-greedy"}, Reading{Verdict::kForced, 9, "rank1-short"},
        Reading{Verdict::kOfficial, 9, "rank1-short"}, Reading{Verdict::kCard, 9, "rank1-short"}}) {
    ScoreOptions options = with_new_tokens(reading.max_new_tokens);
    options.verdict = reading.verdict;
    std::vector<const GoldenReasoning::Generated*> rows;
    std::vector<Pair> pairs;
    for (const GoldenReasoning::Generated& row : golden_->generated())
      if (row.setting == reading.setting) {
        rows.push_back(&row);
        pairs.push_back(pair_of(row));
      }
    const auto scores = score(engine, pairs, options);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const GoldenReasoning::Generated& row = *rows[i];
      SCOPED_TRACE(row.setting + ", " + row.pair);
      if (reading.verdict == Verdict::kCard && !row.score_card) {
        ASSERT_FALSE(scores[i].ok());
        EXPECT_EQ(scores[i].error().code, Error::Code::kBadInput);
        EXPECT_NE(scores[i].error().message().find("--verdict forced"), std::string::npos);
        ++refused;
        continue;
      }
      ASSERT_TRUE(scores[i].ok()) << scores[i].error().message();
      const Score& got = scores[i].value();
      EXPECT_EQ(got.reasoning, row.text);
      EXPECT_EQ(got.new_tokens, row.token_ids.size());
      EXPECT_EQ(got.finished, row.ends_with_verdict());
      const bool is_cut = !row.ends_with_verdict();
      if (reading.verdict == Verdict::kForced && is_cut && !row.fallback_ids) {
        // The reference reads the middle of the reasoning there; see Verdict::kOfficial.
        EXPECT_GT(std::abs(got.value - row.score_official), golden_->tolerance());
        continue;
      }
      forced += row.fallback_ids.has_value() ? 1 : 0;
      EXPECT_NEAR(got.value, row.score_official, golden_->tolerance());
      ++compared;
    }
  }
  EXPECT_GE(compared, 100u);
  EXPECT_GE(forced, 10u);
  EXPECT_GE(refused, 5u);
}

// Without a new token, the verdict is forced behind a prompt without reasoning.
TEST_F(Toy, ForcesEveryVerdictWithoutNewTokens) {
  const Engine engine = this->engine();
  for (const Verdict verdict : {Verdict::kForced, Verdict::kOfficial}) {
    ScoreOptions options = with_new_tokens(0);
    options.verdict = verdict;
    const Score none = score_one(engine, pairs_[0], options);
    EXPECT_EQ(none.reasoning, "");
    EXPECT_EQ(none.new_tokens, 0u);
    EXPECT_FALSE(none.finished);
    EXPECT_GT(none.value, 0);
    EXPECT_LT(none.value, 1);
  }
}

TEST_F(Toy, ABudgetForcesTheVerdictWhateverTheReading) {
  const Engine engine = this->engine();
  const Score expected = score_one(engine, pairs_[1], with_new_tokens(9));
  EXPECT_FALSE(expected.finished);
  for (const Verdict verdict : {Verdict::kForced, Verdict::kOfficial, Verdict::kCard}) {
    ScoreOptions options = with_new_tokens(64);
    options.think_budget = 9;
    options.verdict = verdict;
    expect_equal(score_one(engine, pairs_[1], options), expected);
    options.think_budget = 63;  // more than it needs
    EXPECT_TRUE(score_one(engine, pairs_[1], options).finished);
  }
}

// Why no option stops as soon as the verdict seems certain (docs/reasoning.md).
TEST_F(Toy, ACertainVerdictInTheMiddleMayBeTheOppositeOfTheLast) {
  const Engine engine = this->engine();
  const auto last = score(engine, pairs_, with_new_tokens(64)), early = score(engine, pairs_, with_new_tokens(5));
  int certain = 0, opposite = 0;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const double then = early[i].value().value, now = last[i].value().value;
    if (std::abs(then - 0.5) < 0.35) continue;
    ++certain;
    opposite += (then > 0.5) != (now > 0.5) ? 1 : 0;
  }
  EXPECT_EQ(certain, 14);
  EXPECT_EQ(opposite, 3);
}

TEST_F(Toy, SameBitsHoweverPairsComeTogether) {
  const Engine one = engine({.threads = 1}), two = engine({.threads = 2});
  // One block of keys and values holds 32 tokens; a sequence needs four of them.
  const std::size_t block = 4 * 2 * 2 * 32 * 32 * sizeof(float);
  const Engine small = engine({.threads = 2, .kv_bytes = 12 * block});
  const std::vector<Pair> pairs = many_pairs(64);
  for (const int rethink : {0, 1}) {
    for (const int max_new_tokens : {40, 9}) {
      ScoreOptions options = with_new_tokens(max_new_tokens);
      options.rethink = rethink;
      const auto together = score(one, pairs, options);
      for (std::size_t i = 0; i < pairs.size(); i += testing::kSanitized ? 16 : 1) {
        SCOPED_TRACE(i);
        ASSERT_TRUE(together[i].ok()) << together[i].error().message();
        expect_equal(score_one(one, pairs[i], options), together[i].value());
      }
      std::vector<std::size_t> order(pairs.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::shuffle(order.begin(), order.end(), std::mt19937(3));
      std::vector<Pair> shuffled;
      for (const std::size_t i : order) shuffled.push_back(pairs[i]);
      for (const Engine* engine : {&two, &small}) {
        const auto scores = score(*engine, shuffled, options);
        for (std::size_t i = 0; i < order.size(); ++i) {
          SCOPED_TRACE(i);
          ASSERT_TRUE(scores[i].ok()) << scores[i].error().message();
          expect_equal(scores[i].value(), together[order[i]].value());
        }
      }
    }
  }
}

// The verdict is taken back as often as asked, and the text goes on; its tokens all come out of the same limit.
TEST_F(Toy, SecondThoughtsGoOnBehindTheVerdict) {
  const Engine engine = this->engine();
  ScoreOptions options = with_new_tokens(200);
  Score before = score_one(engine, pairs_[0], options);
  for (const int rethink : {1, 2}) {
    options.rethink = rethink;
    const Score after = score_one(engine, pairs_[0], options);
    EXPECT_TRUE(after.reasoning.starts_with(before.reasoning + "\nWait")) << after.reasoning;
    EXPECT_EQ(after.reasoning.find("</think>"), std::string::npos) << after.reasoning;
    EXPECT_GT(after.new_tokens, before.new_tokens);
    EXPECT_LE(after.new_tokens, 200u);
    EXPECT_GE(after.value, 0);
    EXPECT_LE(after.value, 1);
    if (!after.finished) break;  // nothing is left to take back
    before = after;
  }
  options.rethink = 1;
  const std::uint32_t needed = score_one(engine, pairs_[0], with_new_tokens(200)).new_tokens;
  options.max_new_tokens = static_cast<int>(needed);
  const Score no_room = score_one(engine, pairs_[0], options);
  expect_equal(no_room, score_one(engine, pairs_[0], with_new_tokens(static_cast<int>(needed))));
  options.max_new_tokens = static_cast<int>(needed) + 4;
  const Score cut = score_one(engine, pairs_[0], options);
  EXPECT_FALSE(cut.finished);
  EXPECT_GT(cut.new_tokens, needed);
  EXPECT_NE(cut.reasoning.find("\nWait"), std::string::npos);
}

TEST_F(Toy, WritesOnWhenStopsAreIgnored) {
  const Engine engine = this->engine();
  ScoreOptions options = with_new_tokens(50);
  options.ignore_stop = true;
  const Work before = engine.work();
  for (const auto& result : score(engine, pairs_, options)) {
    ASSERT_TRUE(result.ok()) << result.error().message();
    EXPECT_EQ(result.value().new_tokens, 50u);
    EXPECT_FALSE(result.value().finished);
  }
  EXPECT_EQ(engine.work().new_tokens - before.new_tokens, 50 * pairs_.size());
}

TEST_F(Toy, TellsOfScoresAndTokensAsTheyCome) {
  const Engine engine = this->engine();
  ScoreOptions options = with_new_tokens(64);
  std::vector<Score> told(pairs_.size());
  std::size_t count = 0, done = 0;
  std::uint64_t tokens = 0;
  options.on_score = [&](std::size_t i, const Result<Score>& score) {
    told[i] = score.value();
    ++count;
    return true;
  };
  options.on_tokens = [&](std::uint64_t new_tokens) {
    EXPECT_GT(new_tokens, tokens);
    tokens = new_tokens;
    return true;
  };
  const auto scores = engine.score_each(pairs_, options, [&](std::size_t pairs_done) {
    EXPECT_EQ(pairs_done, done + 1);
    done = pairs_done;
  });
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(count, pairs_.size());
  EXPECT_EQ(done, pairs_.size());
  std::uint64_t written = 0;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    expect_equal(scores.value()[i].value(), told[i]);
    written += told[i].new_tokens;
  }
  EXPECT_LE(tokens, written);
  EXPECT_GT(tokens, written / 2);
}

TEST_F(Toy, StopsInTheMiddle) {
  const Engine engine = this->engine({.threads = 1});
  for (const bool at_a_score : {true, false}) {
    ScoreOptions options = with_new_tokens(64);
    std::vector<std::size_t> told;
    options.on_score = [&](std::size_t i, const Result<Score>&) {
      told.push_back(i);
      return !at_a_score || told.size() < 3;
    };
    if (!at_a_score) options.on_tokens = [&](std::uint64_t) { return told.size() < 3; };
    const auto scores = score(engine, pairs_, options);
    std::size_t good = 0;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      if (scores[i].ok()) {
        ++good;
      } else {
        EXPECT_NE(scores[i].error().message().find("stopped before"), std::string::npos);
        EXPECT_NE(scores[i].error().message().find("pair " + std::to_string(i)), std::string::npos);
        EXPECT_EQ(std::count(told.begin(), told.end(), i), 0);
      }
    }
    EXPECT_GE(told.size(), 3u);
    EXPECT_GE(good, told.size());
    EXPECT_LT(good, pairs_.size());
  }
}

TEST_F(Toy, ALongPassageLosesItsEnd) {
  const Engine engine = this->engine();
  std::string passage;
  for (int i = 0; i < 500; ++i) passage += "The passage goes on. ";
  ScoreOptions options = with_new_tokens(20);
  options.max_length = 300;
  const Score cut = score_one(engine, {pairs_[0].query, passage}, options);
  EXPECT_GT(cut.cut_tokens, 1000u);
  EXPECT_LE(cut.tokens, 280u);
  EXPECT_GT(cut.tokens, 270u);
}

// Random weights write random bytes: no verdict comes, and each is forced.
class TinyReasoning : public ::testing::TestWithParam<TinyCausal (*)()> {};
INSTANTIATE_TEST_SUITE_P(Models, TinyReasoning,
                         ::testing::Values(
                             +[] { return TinyCausal::qwen2(false); }, &TinyCausal::llama, &TinyCausal::mistral));

TEST_P(TinyReasoning, SameBitsHoweverPairsComeTogether) {
  const std::string long_passage(300, 'x');
  const std::vector<std::pair<std::string, std::string>> texts = {{"a query", "a passage"},
                                                                  {"a query", "another passage"},
                                                                  {"a query", ""},
                                                                  {"", "a passage"},
                                                                  {"", ""},
                                                                  {"a query", long_passage},
                                                                  {"query \xE4\xB8\xAD", "<s></think> true"},
                                                                  {"a query", "a passage"}};
  std::vector<Pair> pairs;
  for (const auto& [query, passage] : texts) pairs.push_back({query, passage});
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16, Dtype::kInt8}) {
    const Engine one = load(GetParam()(), {.dtype = dtype, .threads = 1});
    const Engine two = load(GetParam()(), {.dtype = dtype, .threads = 2});
    for (const int new_tokens : {0, 1, 25}) {
      const auto together = score(two, pairs, with_new_tokens(new_tokens));
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        SCOPED_TRACE(i);
        ASSERT_TRUE(together[i].ok()) << together[i].error().message();
        expect_equal(together[i].value(), score_one(one, pairs[i], with_new_tokens(new_tokens)));
      }
      expect_equal(together[0].value(), together[7].value());
    }
  }
}

TEST(ReasoningErrors, ABadPairDoesNotLoseTheOthers) {
  const Engine engine = load(TinyCausal::qwen2(false));
  const Pair pairs[] = {{"query", "good"}, {"query", "bad \xFF"}, {std::string_view("b\xFF"), "x"}, {"query", "good"}};
  const auto scores = score(engine, pairs, with_new_tokens(5));
  EXPECT_EQ(scores[1].error().message(), "pair 1, passage: is not valid UTF-8 at byte 4");
  EXPECT_EQ(scores[2].error().message(), "pair 2, query: is not valid UTF-8 at byte 1");
  ASSERT_TRUE(scores[0].ok());
  expect_equal(scores[0].value(), scores[3].value());
}

TEST(ReasoningErrors, TooLittleMemorySaysHowMuchIsNeeded) {
  const Engine engine = load(TinyCausal::qwen2(false), {.dtype = Dtype::kF32, .kv_bytes = 1});
  const Pair pair{"query", "passage"};
  const auto scores = score(engine, {&pair, 1}, with_new_tokens(5));
  ASSERT_FALSE(scores[0].ok());
  EXPECT_EQ(scores[0].error().code, Error::Code::kOutOfMemory);
  EXPECT_NE(scores[0].error().message().find("allow at least"), std::string::npos) << scores[0].error().message();
}

TEST(ReasoningErrors, AModelThatHasNoVerdictToken) {
  testing::TinyModel::Folder folder;
  TinyCausal::gemma().write(folder);
  const auto engine = Engine::load(folder.path, {.method = "reasoning"});
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message().find("reasoning"), std::string::npos) << engine.error().message();
}

TEST(ReasoningErrors, LogitsThatAreNoNumbersNameTheirPair) {
  TinyCausal checkpoint = TinyCausal::qwen2(false);
  for (float& value : checkpoint.tensors["model.norm.weight"].values) value = std::numeric_limits<float>::quiet_NaN();
  const Engine engine = load(checkpoint);
  const Pair pair{"query", "passage"};
  for (const int new_tokens : {0, 5}) {
    const auto scores = score(engine, {&pair, 1}, with_new_tokens(new_tokens));
    ASSERT_FALSE(scores[0].ok());
    EXPECT_NE(scores[0].error().message().find("pair 0"), std::string::npos) << scores[0].error().message();
    EXPECT_NE(scores[0].error().message().find("not finite"), std::string::npos) << scores[0].error().message();
  }
}

TEST(ReasoningErrors, OptionsThatNoPairFits) {
  const Engine engine = load(TinyCausal::qwen2(false));
  const Pair pair{"query", "passage"};
  ScoreOptions negative;
  negative.rethink = -1;
  ScoreOptions no_place;
  no_place.prompt = "without the place";
  for (const auto& [options, part] : {std::pair(with_new_tokens(2048), "leave no room for a prompt"),
                                      std::pair(negative, "--rethink"), std::pair(no_place, "FILL_QUERY_HERE")}) {
    const auto scores = engine.score_each({&pair, 1}, options);
    ASSERT_FALSE(scores.ok());
    EXPECT_NE(scores.error().message().find(part), std::string::npos) << scores.error().message();
  }
}

}  // namespace
}  // namespace rerank
