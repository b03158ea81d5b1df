// Every LLM reranker of the golden data through the whole engine: texts in, scores out, in every setting of the
// reference but those marked as quirks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

#include "kernels/level.h"
#include "rerank/engine.h"
#include "support/golden_decoder.h"

namespace rerank {
namespace {

using testing::GoldenDecoder;

constexpr const char* kCheckpoints[] = {"bge-reranker-v2-gemma", "bge-reranker-v2-minicpm-layerwise",
                                        "bge-reranker-v2.5-gemma2-lightweight", "lb-reranker-0.5b"};

ScoreOptions options_of(const GoldenDecoder::Setting& setting) {
  const GoldenDecoder::Arguments& arguments = setting.arguments;
  ScoreOptions options;
  options.max_length = arguments.number("max_length", 0);
  options.query_max_length = arguments.number("query_max_length", 0);
  options.truncation = setting.is_card() ? Truncation::kCard : Truncation::kFlagEmbedding;
  options.normalize = setting.normalize();
  options.prompt = arguments.text("prompt");
  options.query_instruction = arguments.text("query_instruction_for_rerank");
  options.query_instruction_format = arguments.text("query_instruction_format").value_or("{}{}");
  options.passage_instruction = arguments.text("passage_instruction_for_rerank");
  options.passage_instruction_format = arguments.text("passage_instruction_format").value_or("{}{}");
  options.cutoff_layers = arguments.cutoff_layers();
  options.compress_ratio = arguments.number("compress_ratio", 1);
  options.compress_layers = arguments.compress_layers().value_or(std::vector<int>{8});
  options.attention_softcap = setting.eager;
  return options;
}

class GoldenCausal : public ::testing::TestWithParam<const char*> {
 protected:
  static Engine load(const std::string& name, const EngineOptions& options) {
    auto engine = Engine::load(testing::shared_dir() / "golden" / name, options);
    EXPECT_TRUE(engine.ok()) << engine.error().message();
    return std::move(engine).value();
  }

  struct Row {
    const GoldenDecoder::Scored* expected;
    Score score;
  };
  // All pairs of one setting in one call.
  static std::vector<Row> score(const Engine& engine, const GoldenDecoder& golden,
                                const GoldenDecoder::Setting& setting, const ScoreOptions& options) {
    std::vector<Row> rows;
    std::vector<Pair> pairs;
    for (const GoldenDecoder::Scored& scored : golden.scored()) {
      if (scored.setting != setting.id) continue;
      rows.push_back({&scored, {}});
      const GoldenDecoder::Pair& pair = golden.pair(scored.pair);
      pairs.push_back({pair.query, pair.passage});
    }
    const auto scores = engine.score(pairs, options);
    EXPECT_TRUE(scores.ok()) << setting.id << ": " << scores.error().message();
    for (std::size_t i = 0; scores.ok() && i < rows.size(); ++i) rows[i].score = scores.value()[i];
    return rows;
  }

  static std::vector<double> values_of(const Score& score) {
    return score.layer_values.empty() ? std::vector<double>{score.value} : score.layer_values;
  }
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenCausal, ::testing::ValuesIn(kCheckpoints));

// The levels differ in their products and not in what is done with them: all settings run at the best level, the first
// one at the others too. Sanitizers have seen the other levels' products in the tests of the kernels.
TEST_P(GoldenCausal, ScoresOfEverySetting) {
  RERANK_NEED_SHARED("golden");
  const GoldenDecoder golden(GetParam());
  bool best = true;
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) {
    const Engine engine = load(GetParam(), {.dtype = Dtype::kF32, .cpu_level = std::string(level->name)});
    std::size_t compared = 0;
    for (const GoldenDecoder::Setting& setting : golden.settings()) {
      if (setting.quirk || (!best && compared > 0) || (testing::kSanitized && compared > 70)) continue;
      for (const Row& row : score(engine, golden, setting, options_of(setting))) {
        EXPECT_EQ(row.score.tokens, row.expected->ids.size()) << setting.id << ' ' << row.expected->pair;
        std::vector<double> expected = row.expected->scores;
        if (expected.empty()) expected = {row.expected->named.at("exact").value()};
        const std::vector<double> actual = values_of(row.score);
        ASSERT_EQ(actual.size(), expected.size()) << setting.id;
        for (std::size_t k = 0; k < actual.size(); ++k)
          ASSERT_NEAR(actual[k], expected[k], golden.float32_tolerance())
              << level->name << ' ' << setting.id << ' ' << row.expected->pair << " output " << k;
        ++compared;
      }
    }
    EXPECT_GE(compared, 35u);
    if (testing::kSanitized) break;
    best = false;
  }
}

// bf16 is compared with how far the reference program itself moves in bf16 on these pairs.
TEST_P(GoldenCausal, Bf16MovesNoFurtherThanTheReferenceInBf16) {
  RERANK_NEED_SHARED("golden");
  const GoldenDecoder golden(GetParam());
  const Engine engine = load(GetParam(), {.dtype = Dtype::kBf16});
  double largest = 0, total = 0;
  std::size_t count = 0;
  for (const GoldenDecoder::Setting& setting : golden.settings()) {
    if (setting.quirk || setting.normalize() || (testing::kSanitized && count > 70)) continue;
    for (const Row& row : score(engine, golden, setting, options_of(setting))) {
      std::vector<double> expected = row.expected->scores;
      if (expected.empty()) expected = {row.expected->named.at("exact").value()};
      const std::vector<double> actual = values_of(row.score);
      for (std::size_t k = 0; k < actual.size(); ++k, ++count) {
        const double moved = std::fabs(actual[k] - expected[k]);
        largest = std::max(largest, moved);
        total += moved;
      }
    }
  }
  const double mean = total / static_cast<double>(count);
  std::printf("%s: bf16 moves scores by at most %.3f, %.4f on average; the reference by %.3f and %.4f\n", GetParam(),
              largest, mean, golden.bf16_noise_max(), golden.bf16_noise_mean());
  // The reference's figures are of its default setting; compression and early layers add to ours.
  EXPECT_LE(largest, 2 * golden.bf16_noise_max());
  EXPECT_LE(mean, 1.5 * golden.bf16_noise_mean());
}

TEST(GoldenLightweight, TheHeadOfTheLayerItself) {
  RERANK_NEED_SHARED("golden");
  const GoldenDecoder golden("bge-reranker-v2.5-gemma2-lightweight");
  const auto engine =
      Engine::load(testing::shared_dir() / "golden/bge-reranker-v2.5-gemma2-lightweight", {.dtype = Dtype::kF32});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ScoreOptions options;
  options.cutoff_layers = {golden.own_head_layer()};
  options.heads = Heads::kByLayer;
  for (const auto& [id, expected] : golden.own_head_scores()) {
    const Pair pair{golden.pair(id).query, golden.pair(id).passage};
    const auto score = engine.value().score({&pair, 1}, options);
    ASSERT_TRUE(score.ok()) << score.error().message();
    EXPECT_NEAR(score.value().front().value, expected, golden.float32_tolerance()) << id;
  }
}

class GoldenExpectation : public ::testing::Test {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("golden");
    golden_.emplace("lb-reranker-0.5b");
    auto engine = Engine::load(testing::shared_dir() / "golden/lb-reranker-0.5b", {.dtype = Dtype::kF32});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_.emplace(std::move(engine).value());
  }

  // The pairs to compare: all, and a sample of them under a sanitizer.
  std::span<const GoldenDecoder::Scored> scored() const {
    const std::span<const GoldenDecoder::Scored> all = golden_->scored();
    return all.first(testing::kSanitized ? 8 : all.size());
  }
  double score(const GoldenDecoder::Scored& expected, const ScoreOptions& options) const {
    const Pair pair{golden_->pair(expected.pair).query, golden_->pair(expected.pair).passage};
    const auto scores = engine_->score({&pair, 1}, options);
    EXPECT_TRUE(scores.ok()) << scores.error().message();
    return scores.value().front().value;
  }

  std::optional<GoldenDecoder> golden_;
  std::optional<Engine> engine_;
};

TEST_F(GoldenExpectation, TruncatedSumsOfTheCards) {
  for (const auto& [name, k] : {std::pair("top14", 14), std::pair("top20", 20), std::pair("top5", 5)})
    for (const GoldenDecoder::Scored& expected : scored()) {
      const auto gap = expected.kth_gap.find(k);
      if (gap != expected.kth_gap.end() && gap->second < 1e-3) continue;  // too close to say which token is in
      ScoreOptions options;
      options.top_logprobs = k;
      EXPECT_NEAR(score(expected, options), expected.named.at(name).value(), golden_->float32_tolerance())
          << name << ' ' << expected.pair;
    }
}

TEST_F(GoldenExpectation, HighMinusLowAndNormalized) {
  for (const GoldenDecoder::Scored& expected : scored()) {
    double difference = 0;
    for (std::size_t i = 0; i < 7; ++i) {
      const double p = std::exp(expected.digit_logprobs[i]);
      difference += (i >= 3 ? p / 4 : 0) - (i <= 3 ? p / 4 : 0);
    }
    ScoreOptions options;
    options.readout = Readout::kHighMinusLow;
    EXPECT_NEAR(score(expected, options), difference, golden_->float32_tolerance()) << expected.pair;
    options.normalize = true;
    EXPECT_NEAR(score(expected, options), (difference + 1) / 2, golden_->float32_tolerance()) << expected.pair;
    options.readout = Readout::kExpectedValue;
    EXPECT_NEAR(score(expected, options), (expected.named.at("exact").value() - 1) / 6, golden_->float32_tolerance());
  }
}

}  // namespace
}  // namespace rerank
