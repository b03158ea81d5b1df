// Documents that are too long for a language model behind HTTP: cut, refused, or in chunks.
#include <gtest/gtest.h>

#include <algorithm>

#include "server/llm_test_server.h"

namespace rerank::server {
namespace {

using testing::Events;
using testing::Json;
using testing::Response;
using testing::TinyCausal;
using testing::value_of;

struct Method {
  const char* name;
  TinyCausal (*checkpoint)();
};

class LongDocuments : public testing::LlmServerTest, public ::testing::WithParamInterface<Method> {
 protected:
  void SetUp() override {
    serve(GetParam().checkpoint(), GetParam().name);
    options_.max_new_tokens = 5;
    for (int i = 0; i < 500; ++i) long_ += "bamboo " + std::to_string(i % 7) + " ";
  }
  Json body_of(const std::vector<std::string>& documents) const {
    return {{"query", kQuery}, {"documents", documents}, {"max_new_tokens", 5}, {"raw_scores", true}};
  }
  // By the documents' order.
  static std::vector<float> scores_of(const Json& answer) {
    std::vector<float> scores(answer.at("results").size());
    for (const Json& result : answer["results"])
      scores.at(result.at("index")) = result.at("relevance_score").get<float>();
    return scores;
  }
  static float to_float(double score) { return static_cast<float>(score); }

  static constexpr const char* kQuery = "what is a panda?";
  std::string long_, short_ = "it is a bear";
  ScoreOptions options_;
};

TEST_P(LongDocuments, AreCutAndSaidToBe) {
  const auto expected = score(kQuery, {long_, short_}, options_);
  ASSERT_GT(expected[0].cut_tokens, 0u);
  const Json answer = Json::parse(post("/rerank", body_of({long_, short_})).body);
  EXPECT_EQ(scores_of(answer), (std::vector{to_float(expected[0].value), to_float(expected[1].value)}));
  EXPECT_EQ(answer.at("truncated"), Json::parse(fmt::format(R"([{{"index":0,"tokens":{},"cut_tokens":{}}}])",
                                                            expected[0].tokens, expected[0].cut_tokens)));
}

TEST_P(LongDocuments, AreRefusedWhereTheyMayNotBeCut) {
  Json body = body_of({short_, long_});
  body["truncate"] = false;
  const Response refused = post("/rerank", body);
  EXPECT_TRUE(refused.status == 400 || refused.status == 422) << refused.status;
  EXPECT_NE(refused.body.find("document 1 have"), std::string::npos) << refused.body;
  body["documents"] = {short_};
  EXPECT_EQ(post("/rerank", body).status, 200);
  body["documents"] = {long_};
  body["stream"] = true;
  EXPECT_EQ(post("/rerank", body).status, refused.status) << "before a stream begins";
}

TEST_P(LongDocuments, AreScoredByTheirBestChunk) {
  constexpr std::size_t kTokens = 90, kOverlap = 20, kChunks = 12;
  const auto tokens = value_of(engine_->tokenizer().tokens(long_, false));
  std::vector<std::string> chunks;
  for (std::size_t begin = 0; chunks.size() < kChunks; begin += kTokens - kOverlap)
    chunks.push_back(long_.substr(tokens[begin].begin, tokens[begin + kTokens - 1].end - tokens[begin].begin));
  double best = -1e9;
  for (const Score& score : this->score(kQuery, chunks, options_)) best = std::max(best, score.value);
  Json body = body_of({short_, long_});
  body.update({{"chunk_tokens", kTokens}, {"chunk_overlap", kOverlap}, {"max_chunks_per_doc", kChunks}});
  const Json answer = Json::parse(post("/rerank", body).body);
  EXPECT_EQ(scores_of(answer), (std::vector{to_float(score(kQuery, {short_}, options_)[0].value), to_float(best)}));
  ASSERT_EQ(answer.at("truncated").size(), 1u);
  EXPECT_EQ(answer["truncated"][0]["index"], 1);
  EXPECT_EQ(answer["truncated"][0]["cut_tokens"], tokens.size() - (kChunks - 1) * (kTokens - kOverlap) - kTokens);
}

TEST_P(LongDocuments, LoseNothingInChunksThatFit) {
  Json body = body_of({long_, short_});
  body["long_document_strategy"] = "chunk";
  const Json whole = Json::parse(post("/rerank", body, "X-Request-Id: same\r\n").body);
  EXPECT_FALSE(whole.contains("truncated")) << whole;
  body["stream"] = true;
  const Events events(post("/rerank", body, "X-Request-Id: same\r\n").body);
  ASSERT_EQ(events.list.size(), 1u) << "single chunks are nobody's business";
  EXPECT_EQ(events.list[0], whole);
}

// What was left out before the model saw the text is told of each document, as it is in the end.
TEST_P(LongDocuments, AreSaidToBeCutInEachEvent) {
  for (const Json& how : {Json{{"max_tokens_per_doc", 30}}, Json{{"truncation_side", "left"}}}) {
    Json body = body_of({long_, short_});
    body.update(how);
    body.update({{"stream", true}, {"return_tokens", true}});
    const Events events(post("/rerank", body).body);
    ASSERT_FALSE(events.list.empty());
    const Json& last = events.list.back();
    ASSERT_EQ(last.at("truncated").size(), 1u);
    std::size_t told = 0;
    for (const Json& event : events.list) {
      if (!event.contains("relevance_score")) continue;
      ++told;
      EXPECT_EQ(event.at("cut_tokens"), event.at("index") == 0 ? last["truncated"][0].at("cut_tokens") : Json(0));
    }
    EXPECT_EQ(told, 2u);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, LongDocuments,
                         ::testing::Values(Method{"yes-logit", [] { return TinyCausal::gemma(); }},
                                           Method{"layerwise", [] { return TinyCausal::minicpm(); }},
                                           Method{"lightweight", [] { return TinyCausal::gemma2(); }},
                                           Method{"expectation", [] { return TinyCausal::qwen2(true); }},
                                           Method{"reasoning", [] { return TinyCausal::qwen2(false); }}),
                         [](const auto& method) {
                           std::string name = method.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace rerank::server
