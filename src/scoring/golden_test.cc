// The token ids of every setting in the golden data: texts, instructions and both truncations through the checkpoints'
// own tokenizers.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "scoring/pair_encoder.h"

namespace rerank::scoring {
namespace {

using rerank::testing::Golden;

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
  options.query_instruction = text("query_instruction_for_rerank", "");
  options.query_instruction_format = text("query_instruction_format", "{}{}");
  options.passage_instruction = text("passage_instruction_for_rerank", "");
  options.passage_instruction_format = text("passage_instruction_format", "{}{}");
  return options;
}

class GoldenIds : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenIds,
                         ::testing::Values("bge-reranker-base", "bge-reranker-v2-m3", "ms-marco-minilm"));

TEST_P(GoldenIds, EqualInEverySetting) {
  RERANK_NEED_SHARED("golden");
  const Golden golden(GetParam());
  const auto folder = rerank::testing::shared_dir() / "golden" / GetParam();
  const auto tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  for (const Golden::Setting& setting : golden.settings()) {
    const auto encoder = PairEncoder::make(tokenizer.value(), options_of(setting), 512);
    ASSERT_TRUE(encoder.ok()) << encoder.error().message();
    std::size_t compared = 0;
    for (const Golden::Score& score : golden.scores()) {
      if (score.setting != setting.id) continue;
      const Golden::Pair& pair = golden.pair(score.pair);
      const auto query = encoder.value().encode_query(pair.query);
      ASSERT_TRUE(query.ok()) << query.error().message();
      const auto encoded = encoder.value().encode(query.value(), pair.passage);
      ASSERT_TRUE(encoded.ok()) << encoded.error().message();
      EXPECT_EQ(encoded.value().ids, score.ids.ids) << setting.id << ' ' << score.pair;
      EXPECT_EQ(encoded.value().type_ids, score.ids.types) << setting.id << ' ' << score.pair;
      ++compared;
    }
    EXPECT_EQ(compared, 35u) << setting.id;
  }
}

}  // namespace
}  // namespace rerank::scoring
