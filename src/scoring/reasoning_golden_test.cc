// Prompts, forced verdicts, verdict tokens and end-of-text tokens of every rank1 checkpoint in the golden data.
#include <gtest/gtest.h>

#include <optional>

#include "io/checkpoint.h"
#include "scoring/end_of_text.h"
#include "scoring/reasoning_prompt.h"
#include "scoring/reasoning_verdict.h"
#include "support/golden_reasoning.h"

namespace rerank::scoring {
namespace {

using rerank::testing::GoldenReasoning;

class ReasoningGolden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("golden");
    const auto folder = rerank::testing::shared_dir() / "golden" / GetParam();
    golden_.emplace(GetParam());
    auto checkpoint = io::Checkpoint::open(folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
    checkpoint_.emplace(std::move(checkpoint).value());
    auto tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    tokenizer_.emplace(std::move(tokenizer).value());
    auto prompts = ReasoningPrompts::make(*tokenizer_, {}, 32768);
    ASSERT_TRUE(prompts.ok()) << prompts.error().message();
    prompts_.emplace(std::move(prompts).value());
  }

  ReasoningPrompt encode(const std::string& pair_id) const {
    const GoldenReasoning::Pair& pair = golden_->pair(pair_id);
    auto prompt = prompts_->encode(pair.query, pair.passage);
    EXPECT_TRUE(prompt.ok()) << prompt.error().message();
    return prompt.ok() ? std::move(prompt).value() : ReasoningPrompt();
  }

  std::optional<GoldenReasoning> golden_;
  std::optional<io::Checkpoint> checkpoint_;
  std::optional<tokenizer::Tokenizer> tokenizer_;
  std::optional<ReasoningPrompts> prompts_;
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, ReasoningGolden, ::testing::ValuesIn(rerank::testing::kReasoningCheckpoints));

TEST_P(ReasoningGolden, PromptsHaveTheirTokens) {
  ASSERT_FALSE(golden_->forced().empty());
  for (const GoldenReasoning::Forced& forced : golden_->forced()) {
    const ReasoningPrompt prompt = encode(forced.pair);
    EXPECT_EQ(prompt.ids, forced.prompt_ids) << forced.pair;
    EXPECT_EQ(prompt.cut_tokens, 0u) << forced.pair;
  }
}

TEST_P(ReasoningGolden, ForcedVerdictsHaveTheirTokens) {
  for (const GoldenReasoning::Forced& forced : golden_->forced()) {
    const std::string_view text = golden_->forced_text();
    const auto ids = prompts_->encode_forced(encode(forced.pair), text.substr(0, text.rfind("</think>")));
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    EXPECT_EQ(ids.value().size(), forced.n_forced_ids) << forced.pair;
    EXPECT_TRUE(std::equal(forced.forced_tail_ids.rbegin(), forced.forced_tail_ids.rend(), ids.value().rbegin()))
        << forced.pair;
    EXPECT_TRUE(forced.forced_ids.empty() || ids.value() == forced.forced_ids) << forced.pair;
  }
}

TEST_P(ReasoningGolden, ReasoningThatWasCutIsForcedAsByTheOfficialCode) {
  for (const GoldenReasoning::Generated& generated : golden_->generated()) {
    if (!generated.fallback_ids) continue;
    const auto ids = prompts_->encode_forced(encode(generated.pair), generated.text);
    ASSERT_TRUE(ids.ok()) << ids.error().message();
    EXPECT_EQ(ids.value(), *generated.fallback_ids) << generated.setting << ' ' << generated.pair;
  }
}

TEST_P(ReasoningGolden, VerdictsAndTheEndOfTextAreTheTokensOfTheReference) {
  const auto verdicts = verdict_tokens(*tokenizer_);
  ASSERT_TRUE(verdicts.ok()) << verdicts.error().message();
  EXPECT_EQ(verdicts.value().yes, golden_->true_token());
  EXPECT_EQ(verdicts.value().no, golden_->false_token());
  const auto end = read_end_of_text(*checkpoint_, tokenizer_->vocab_size());
  ASSERT_TRUE(end.ok()) << end.error().message();
  EXPECT_EQ(end.value(), golden_->eos_tokens());
}

TEST_P(ReasoningGolden, ScoresFollowFromLogProbabilities) {
  for (const GoldenReasoning::Forced& forced : golden_->forced())
    EXPECT_NEAR(verdict_score(forced.true_logprob, forced.false_logprob), forced.score, 1e-6) << forced.pair;
  for (const GoldenReasoning::Generated& generated : golden_->generated()) {
    const double score = generated.fallback_ids ? verdict_score(generated.fallback_true, generated.fallback_false)
                                                : verdict_score(generated.last_true, generated.last_false);
    EXPECT_NEAR(score, generated.score_official, 1e-6) << generated.pair;
  }
}

// Each prompt is made to fit the longest of the short ones.
TEST_P(ReasoningGolden, LongPassagesLoseTheirEnd) {
  constexpr int kRoom = 300, kNew = 100;
  ScoreOptions options;
  options.max_length = kRoom + kNew;
  options.max_new_tokens = kNew;
  const auto prompts = ReasoningPrompts::make(*tokenizer_, options, 32768);
  ASSERT_TRUE(prompts.ok()) << prompts.error().message();
  std::size_t cut = 0;
  for (const GoldenReasoning::Forced& forced : golden_->forced()) {
    const GoldenReasoning::Pair& pair = golden_->pair(forced.pair);
    const auto prompt = prompts.value().encode(pair.query, pair.passage);
    if (!prompt.ok()) {
      EXPECT_NE(prompt.error().what.find("leaves no room"), std::string::npos) << prompt.error().message();
      EXPECT_EQ(forced.pair.rfind("long-", 0), 0u) << forced.pair;
      continue;
    }
    const ReasoningPrompt& written = prompt.value();
    if (forced.prompt_ids.size() <= kRoom) {
      EXPECT_EQ(written.ids, forced.prompt_ids) << forced.pair;
      continue;
    }
    ++cut;
    EXPECT_LE(written.ids.size(), std::size_t{kRoom}) << forced.pair;
    EXPECT_GE(written.ids.size(), std::size_t{kRoom} - 8) << forced.pair;
    EXPECT_EQ(written.ids.size() + written.cut_tokens, forced.prompt_ids.size()) << forced.pair;
    EXPECT_TRUE(std::string_view(written.text).ends_with("\n<think>")) << forced.pair;
    const std::string whole = encode(forced.pair).text;
    EXPECT_EQ(whole.compare(0, written.text.size() - 8, written.text, 0, written.text.size() - 8), 0) << forced.pair;
  }
  EXPECT_GT(cut, 0u);
}

}  // namespace
}  // namespace rerank::scoring
