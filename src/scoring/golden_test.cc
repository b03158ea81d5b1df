// The token ids of every setting in the golden data: texts, instructions and both truncations through the checkpoints'
// own tokenizers.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "base/try.h"
#include "io/checkpoint.h"
#include "scoring/answer_tokens.h"
#include "scoring/chat_pairs.h"
#include "scoring/method.h"
#include "scoring/pair_encoder.h"
#include "scoring/prompted_pairs.h"
#include "support/golden_decoder.h"

namespace rerank::scoring {
namespace {

using rerank::testing::Golden;
using rerank::testing::GoldenDecoder;

ScoreOptions options_of(const Golden::Setting& setting) {
  ScoreOptions options;
  const auto number = [&](const char* key, int fallback) {
    return setting.call.count(key) != 0 ? static_cast<int>(setting.call.at(key)) : fallback;
  };
  const auto text = [&](const char* key, std::string fallback) {
    return setting.init.count(key) != 0 ? setting.init.at(key) : fallback;
  };
  options.max_length = number("max_length", 512);
  options.query_max_length = number("query_max_length", 0);
  options.truncation = setting.id.rfind("flag-", 0) == 0 ? Truncation::kFlagEmbedding : Truncation::kCard;
  if (setting.init.count("query_instruction_for_rerank") != 0)
    options.query_instruction = setting.init.at("query_instruction_for_rerank");
  options.query_instruction_format = text("query_instruction_format", "{}{}");
  if (setting.init.count("passage_instruction_for_rerank") != 0)
    options.passage_instruction = setting.init.at("passage_instruction_for_rerank");
  options.passage_instruction_format = text("passage_instruction_format", "{}{}");
  return options;
}

class EncoderIds : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, EncoderIds,
                         ::testing::Values("bge-reranker-base", "bge-reranker-v2-m3", "ms-marco-minilm"));

TEST_P(EncoderIds, EqualInEverySetting) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  const auto folder = rerank::testing::shared_dir() / "golden" / GetParam();
  const auto tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  for (const Golden::Setting& setting : golden.settings()) {
    const auto encoder = make_cross_encoder_pairs(tokenizer.value(), options_of(setting), 512);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    std::size_t compared = 0;
    for (const Golden::Score& score : golden.scores()) {
      if (score.setting != setting.id) continue;
      const Golden::Pair& pair = golden.pair(score.pair);
      const auto query = encoder.value()->encode_query(pair.query);
      ASSERT_TRUE(query.ok()) << query.error().message();
      const auto encoded = encoder.value()->encode(query.value(), pair.passage);
      ASSERT_TRUE(encoded.ok()) << encoded.error().message();
      EXPECT_EQ(encoded.value().ids, score.ids.ids) << setting.id << ' ' << score.pair;
      EXPECT_EQ(encoded.value().type_ids, score.ids.types) << setting.id << ' ' << score.pair;
      ++compared;
    }
    EXPECT_EQ(compared, 35u) << setting.id;
  }
}

ScoreOptions options_of(const GoldenDecoder::Setting& setting) {
  const GoldenDecoder::Arguments& arguments = setting.arguments;
  ScoreOptions options;
  options.max_length = arguments.number("max_length", 0);
  options.query_max_length = arguments.number("query_max_length", 0);
  options.truncation = setting.is_card() ? Truncation::kCard : Truncation::kFlagEmbedding;
  options.query_instruction = arguments.text("query_instruction_for_rerank");
  options.query_instruction_format = arguments.text("query_instruction_format").value_or("{}{}");
  options.passage_instruction = arguments.text("passage_instruction_for_rerank");
  options.passage_instruction_format = arguments.text("passage_instruction_format").value_or("{}{}");
  options.prompt = arguments.text("prompt");
  return options;
}

struct DecoderCase {
  const char* name;
  Method method;
};
class DecoderIds : public ::testing::TestWithParam<DecoderCase> {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("golden");
    const auto folder = rerank::testing::shared_dir() / "golden" / GetParam().name;
    golden_.emplace(GetParam().name);
    auto checkpoint = io::Checkpoint::open(folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message();
    checkpoint_.emplace(std::move(checkpoint).value());
    auto tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    tokenizer_.emplace(std::move(tokenizer).value());
  }

  Result<PairEncoderPtr> make(const ScoreOptions& options) const {
    const int positions =
        static_cast<int>(checkpoint_->config().get("max_position_embeddings").value().integer().value());
    if (GetParam().method == Method::kExpectation) {
      RERANK_ASSIGN(const ChatFormat format, read_chat_format(*checkpoint_));
      return make_chat_pairs(*tokenizer_, format, options, positions);
    }
    RERANK_ASSIGN(const PromptedPairs format, read_prompted_pairs(*checkpoint_, *tokenizer_, GetParam().method));
    EXPECT_EQ(format.bos, golden_->bos());
    return make_prompted_pairs(*tokenizer_, format, options, positions);
  }

  std::optional<GoldenDecoder> golden_;
  std::optional<io::Checkpoint> checkpoint_;
  std::optional<tokenizer::Tokenizer> tokenizer_;
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, DecoderIds,
                         ::testing::Values(DecoderCase{"bge-reranker-v2-gemma", Method::kYesLogit},
                                           DecoderCase{"bge-reranker-v2-minicpm-layerwise", Method::kLayerwise},
                                           DecoderCase{"bge-reranker-v2.5-gemma2-lightweight", Method::kLightweight},
                                           DecoderCase{"lb-reranker-0.5b", Method::kExpectation}));

TEST_P(DecoderIds, EqualInEverySetting) {
  std::size_t compared = 0;
  for (const GoldenDecoder::Setting& setting : golden_->settings()) {
    const auto encoder = make(options_of(setting));
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    for (const GoldenDecoder::Scored& scored : golden_->scored()) {
      if (scored.setting != setting.id) continue;
      const auto query = encoder.value()->encode_query(golden_->pair(scored.pair).query);
      ASSERT_TRUE(query.ok()) << query.error().message();
      const auto pair = encoder.value()->encode(query.value(), golden_->pair(scored.pair).passage);
      ASSERT_TRUE(pair.ok()) << pair.error().message();
      EXPECT_EQ(pair.value().ids, scored.ids) << setting.id << ' ' << scored.pair;
      EXPECT_TRUE(pair.value().type_ids.empty());
      if (scored.has_lengths) {
        EXPECT_EQ(pair.value().query_tokens, scored.query_length) << setting.id << ' ' << scored.pair;
        EXPECT_EQ(pair.value().prompt_tokens, scored.prompt_length) << setting.id << ' ' << scored.pair;
      }
      ++compared;
    }
  }
  EXPECT_EQ(compared, 35 * golden_->settings().size());
}

// Texts that spell no control token have the same ids either way, and the others only those of template and format.
TEST_P(DecoderIds, AreTheSameWithoutControlTokensInText) {
  const GoldenDecoder::Setting& setting = golden_->settings().front();
  ScoreOptions options = options_of(setting);
  options.special_tokens_in_text = false;
  const auto encoder = make(options);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  for (const GoldenDecoder::Scored& scored : golden_->scored()) {
    if (scored.setting != setting.id) continue;
    const GoldenDecoder::Pair& pair = golden_->pair(scored.pair);
    const auto query = encoder.value()->encode_query(pair.query);
    ASSERT_TRUE(query.ok()) << query.error().message();
    const auto encoded = encoder.value()->encode(query.value(), pair.passage);
    ASSERT_TRUE(encoded.ok()) << encoded.error().message();
    if (encoded.value().ids == scored.ids) continue;
    EXPECT_EQ(scored.pair.substr(0, 9), "specials-");
    // Decoding leaves out the control tokens; whatever spells them, both spell the same, but for Llama's spaces.
    EXPECT_LT(tokenizer_->decode(scored.ids, true).size(), tokenizer_->decode(encoded.value().ids, true).size());
    const auto spelled = [&](const std::vector<std::int32_t>& ids) {
      std::string text = tokenizer_->decode(ids, false);
      std::erase(text, ' ');
      return text;
    };
    EXPECT_EQ(spelled(encoded.value().ids), spelled(scored.ids));
  }
}

TEST_P(DecoderIds, AnswersAreTheTokensOfTheReference) {
  if (GetParam().method == Method::kYesLogit) {
    const auto token = answer_token(*tokenizer_, "Yes");
    ASSERT_TRUE(token.ok()) << token.error().message();
    EXPECT_EQ(std::vector{token.value()}, golden_->answer_tokens());
  } else if (GetParam().method == Method::kExpectation) {
    const auto tokens = digit_tokens(*tokenizer_);
    ASSERT_TRUE(tokens.ok()) << tokens.error().message();
    EXPECT_EQ(tokens.value(), golden_->answer_tokens());
  }
}

TEST_P(DecoderIds, MethodIsFound) {
  const auto detected = detect_method(checkpoint_->config(), checkpoint_->name(), "");
  ASSERT_TRUE(detected.ok()) << detected.error().message();
  EXPECT_EQ(detected.value().method, GetParam().method);
}

}  // namespace
}  // namespace rerank::scoring
