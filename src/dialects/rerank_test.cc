// Rankings in every dialect, byte for byte, and which dialect a request is taken for.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "dialects/test_support.h"

namespace rerank::dialects {
namespace {

using testing::catalog_of;
using testing::header_of;
using testing::info_of;
using testing::job_of;
using testing::refusal_of;
using testing::request_of;
using testing::score_of;

// Three documents, of which the last two are equally good. A logit of 0 is 0.5.
HttpResponse rank(const std::string& path, const std::string& body) {
  const auto job = job_of<ScoreJob>(request_of(path, body));
  EXPECT_EQ(job.pairs.size(), 3u);
  EXPECT_FALSE(job.options.normalize);
  const std::vector<Result<Score>> scores = {score_of(-1e9), score_of(0), score_of(0)};
  const HttpResponse response = job.answer(scores, info_of("cross-encoder"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header_of(response, "Content-Type"), "application/json");
  return response;
}

const std::string kDocuments = R"("query":"q","documents":["a","b","c"])";

struct Contract {
  const char* name;
  std::string path, body, answer;
};

void PrintTo(const Contract& contract, std::ostream* out) {
  *out << contract.name;
}

class Contracts : public ::testing::TestWithParam<Contract> {};

TEST_P(Contracts, AnswerByteForByte) {
  EXPECT_EQ(rank(GetParam().path, GetParam().body).body, GetParam().answer);
}

INSTANTIATE_TEST_SUITE_P(
    Rerank, Contracts,
    ::testing::Values(
        Contract{"tei", "/rerank", R"({"query":"q","texts":["a","b","c"]})",
                 R"([{"index":1,"score":0.5},{"index":2,"score":0.5},{"index":0,"score":0.0}])"},
        Contract{"tei_raw_text", "/", R"({"query":"q","texts":["a","b","c"],"raw_scores":true,"return_text":true})",
                 R"([{"index":1,"score":0.0,"text":"b"},{"index":2,"score":0.0,"text":"c"},)"
                 R"({"index":0,"score":-1000000000.0,"text":"a"}])"},
        Contract{"cohere_v2", "/v2/rerank", R"({"model":"rerank-v3.5",)" + kDocuments + R"(,"top_n":2})",
                 R"({"id":"req-1","results":[{"index":1,"relevance_score":0.5},{"index":2,"relevance_score":0.5}],)"
                 R"("meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}},"score_kind":"sigmoid"})"},
        Contract{"cohere_v1", "/cohere/v1/rerank",
                 "{" + kDocuments + R"(,"top_n":1,"return_documents":true,"max_chunks_per_doc":null})",
                 R"({"id":"req-1","results":[{"index":1,"relevance_score":0.5,"document":{"text":"b"}}],)"
                 R"("meta":{"api_version":{"version":"1"},"billed_units":{"search_units":1}},"score_kind":"sigmoid"})"},
        Contract{"jina", "/jina/v1/rerank", "{" + kDocuments + R"(,"model":"jina-reranker-v2","top_n":1})",
                 R"({"model":"jina-reranker-v2","object":"list","usage":{"total_tokens":30,"prompt_tokens":30},)"
                 R"("results":[{"index":1,"relevance_score":0.5,"document":{"text":"b"}}],"score_kind":"sigmoid"})"},
        Contract{"voyage", "/v1/rerank", "{" + kDocuments + R"(,"model":"rerank-2","top_k":1,"return_documents":true})",
                 R"({"object":"list","data":[{"index":1,"relevance_score":0.5,"document":"b"}],"model":"rerank-2",)"
                 R"("usage":{"total_tokens":30},"score_kind":"sigmoid"})"},
        Contract{"vllm", "/v1/rerank", "{" + kDocuments + R"(,"top_n":0,"use_activation":false,"model":"m"})",
                 R"({"id":"rerank-req-1","model":"m","usage":{"prompt_tokens":30,"total_tokens":30},"results":[)"
                 R"({"index":1,"document":{"text":"b"},"relevance_score":0.0},)"
                 R"({"index":2,"document":{"text":"c"},"relevance_score":0.0},)"
                 R"({"index":0,"document":{"text":"a"},"relevance_score":-1000000000.0}],"score_kind":"raw"})"},
        Contract{"llama_cpp", "/v1/reranking", "{" + kDocuments + R"(,"top_n":7})",
                 R"({"model":"bge","object":"list","usage":{"prompt_tokens":30,"total_tokens":30},"results":[)"
                 R"({"index":1,"relevance_score":0.5},{"index":2,"relevance_score":0.5},)"
                 R"({"index":0,"relevance_score":0.0}],"score_kind":"sigmoid"})"},
        Contract{"llama_texts", "/llama.cpp/v1/rerank", R"({"query":"q","texts":["a","b","c"],"top_n":1})",
                 R"([{"index":1,"score":0.5}])"},
        Contract{"infinity", "/infinity/rerank", "{" + kDocuments + R"(,"model":"m","top_n":1})",
                 R"({"object":"rerank","results":[{"relevance_score":0.5,"index":1,"document":null}],"model":"m",)"
                 R"("usage":{"prompt_tokens":30,"total_tokens":30},"id":"infinity-req-1","created":1700000001,)"
                 R"("score_kind":"sigmoid"})"},
        Contract{"infinity_documents", "/infinity/rerank", "{" + kDocuments + R"(,"return_documents":true,"top_n":1})",
                 R"({"object":"rerank","results":[{"relevance_score":0.5,"index":1,"document":"b"}],"model":"bge",)"
                 R"("usage":{"prompt_tokens":30,"total_tokens":30},"id":"infinity-req-1","created":1700000001,)"
                 R"("score_kind":"sigmoid"})"},
        Contract{"xinference", "/v1/rerank",
                 "{" + kDocuments + R"(,"model":"uid","return_documents":"true","return_len":"false","top_n":1})",
                 R"({"id":"req-1","results":[{"index":1,"relevance_score":0.5,"document":{"text":"b"}}],"meta":)"
                 R"({"api_version":null,"billed_units":null,"tokens":{"input_tokens":30,"output_tokens":0},)"
                 R"("warnings":null},"score_kind":"sigmoid"})"},
        Contract{"nvidia", "/v1/ranking",
                 R"({"model":"m","query":{"text":"q"},"passages":[{"text":"a"},{"text":"b"},{"text":"c"}],)"
                 R"("truncate":"END","top_n":2})",
                 R"({"rankings":[{"index":1,"logit":0.0},{"index":2,"logit":0.0}],)"
                 R"("usage":{"prompt_tokens":30,"total_tokens":30},"score_kind":"raw"})"},
        Contract{"elastic", "/rerank", R"({"query":"q","input":["a","b","c"],"return_documents":true,"top_n":1})",
                 R"({"rerank":[{"index":1,"relevance_score":0.5,"text":"b"}],"score_kind":"sigmoid"})"},
        Contract{"common", "/v1/rerank", "{" + kDocuments + R"(,"top_n":1})",
                 R"({"id":"req-1","model":"bge","object":"list","usage":{"prompt_tokens":30,"total_tokens":30},)"
                 R"("results":[{"index":1,"relevance_score":0.5}],"meta":{"api_version":{"version":"1"},)"
                 R"("billed_units":{"search_units":1}},"score_kind":"sigmoid"})"},
        Contract{"appended_path", "/anything/v1/rerank/rerank", R"({"query":"q","texts":["a","b","c"]})",
                 R"([{"index":1,"score":0.5},{"index":2,"score":0.5},{"index":0,"score":0.0}])"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Rerank, TeiSaysInHeadersWhatAListCannotHold) {
  const HttpResponse response = rank("/rerank", R"({"query":"qq","texts":["a","bé","c"]})");
  EXPECT_EQ(header_of(response, "X-Score-Kind"), "sigmoid");
  EXPECT_EQ(header_of(response, "X-Truncated"), "");
}

TEST(Rerank, ReportsWhatWasCut) {
  const auto job = job_of<ScoreJob>(request_of("/v1/rerank", "{" + kDocuments + R"(,"return_tokens":true})"));
  const std::vector<Result<Score>> scores = {score_of(1, 512, 40), score_of(2, 20), score_of(0, 512, 3)};
  const auto body = nlohmann::json::parse(job.answer(scores, info_of("cross-encoder")).body);
  EXPECT_EQ(body["truncated"].dump(),
            R"([{"cut_tokens":40,"index":0,"tokens":512},{"cut_tokens":3,"index":2,"tokens":512}])");
  EXPECT_EQ(body["results"][0]["tokens"], 20);
  EXPECT_EQ(body["results"][1]["cut_tokens"], 40);
  const auto tei = job_of<ScoreJob>(request_of("/rerank", R"({"query":"q","texts":["a","b","c"]})"));
  EXPECT_EQ(header_of(tei.answer(scores, info_of("cross-encoder")), "X-Truncated"), "0,2");
}

TEST(Rerank, SaysWhichLayerTheScoresAreFrom) {
  ModelInfo info = info_of("layerwise");
  const std::vector<Result<Score>> scores = {score_of(1)};
  const auto layer = [&](const std::string& keys) {
    const auto job = job_of<ScoreJob>(request_of("/v1/rerank", R"({"query":"q","documents":["a"])" + keys + "}"));
    const auto body = nlohmann::json::parse(job.answer(scores, info).body);
    return body.value("layer", -1);
  };
  EXPECT_EQ(layer(""), -1);
  info.cutoff_layers = {8, 16, 24};
  EXPECT_EQ(layer(""), 24);
  EXPECT_EQ(layer(R"(,"cutoff_layers":[16,8,99])"), 16);
}

TEST(Rerank, RanksWhatIsScoredInTimeWhereAskedTo) {
  const auto job = job_of<ScoreJob>(request_of("/v1/rerank", "{" + kDocuments + R"(,"allow_partial":true})"));
  const std::vector<std::optional<Result<Score>>> scores = {score_of(-1e9), std::nullopt, score_of(0)};
  const auto body = nlohmann::json::parse(job.answer_partly(scores, info_of("cross-encoder")).body);
  EXPECT_EQ(body["partial"], true);
  EXPECT_EQ(body["unscored"].dump(), "[1]");
  ASSERT_EQ(body["results"].size(), 2u);
  EXPECT_EQ(body["results"][0]["index"], 2);
  EXPECT_EQ(body["usage"]["total_tokens"], 20);
  const auto tei =
      job_of<ScoreJob>(request_of("/rerank", R"({"query":"q","texts":["a","b","c"],"allow_partial":true})"));
  const HttpResponse response = tei.answer_partly(scores, info_of("cross-encoder"));
  EXPECT_EQ(response.body, R"([{"index":2,"score":0.5},{"index":0,"score":0.0}])");
  EXPECT_EQ(header_of(response, "X-Unscored"), "1");
  EXPECT_FALSE(job_of<ScoreJob>(request_of("/v1/rerank", "{" + kDocuments + "}")).answer_partly);
  const auto stream =
      job_of<ScoreJob>(request_of("/v1/rerank", "{" + kDocuments + R"(,"allow_partial":true,"stream":true})"));
  const std::string last = stream.events->last_partly(scores, info_of("cross-encoder"));
  EXPECT_NE(last.find(R"("unscored":[1])"), std::string::npos) << last;
  EXPECT_TRUE(last.ends_with("data: [DONE]\n\n"));
}

TEST(Rerank, SortsByWhatTheModelGaveWhereTheSigmoidIsOne) {
  const auto job = job_of<ScoreJob>(request_of("/v1/rerank", "{" + kDocuments + "}"));
  const std::vector<Result<Score>> scores = {score_of(50), score_of(60), score_of(55)};
  const auto body = nlohmann::json::parse(job.answer(scores, info_of("cross-encoder")).body);
  EXPECT_EQ(body["results"][0]["index"], 1);
  EXPECT_EQ(body["results"][1]["index"], 2);
  EXPECT_EQ(body["results"][2]["relevance_score"], 1.0);
}

TEST(Rerank, ScalesEachMethodInItsOwnWay) {
  const auto relevance = [](const std::string& method, double value, const std::string& keys) {
    const auto job = job_of<ScoreJob>(request_of("/v1/rerank", R"({"query":"q","documents":["a"])" + keys + "}"),
                                      catalog_of(method));
    const std::vector<Result<Score>> scores = {score_of(value)};
    const auto body = nlohmann::json::parse(job.answer(scores, info_of(method)).body);
    return std::pair(body["results"][0]["relevance_score"].get<double>(), body["score_kind"].get<std::string>());
  };
  EXPECT_EQ(relevance("cross-encoder", 0, ""), std::pair(0.5, std::string("sigmoid")));
  EXPECT_EQ(relevance("yes-logit", -3.25, R"(,"normalize":false)"), std::pair(-3.25, std::string("raw")));
  EXPECT_EQ(relevance("expectation", 4, ""), std::pair(0.5, std::string("normalized_expectation")));
  EXPECT_EQ(relevance("expectation", 4, R"(,"raw_scores":true)"), std::pair(4.0, std::string("expectation")));
  EXPECT_EQ(relevance("reasoning", 0.25, ""), std::pair(0.25, std::string("probability")));
  EXPECT_EQ(relevance("reasoning", 0.25, R"(,"raw_scores":true)"), std::pair(0.25, std::string("probability")));
}

TEST(Rerank, TakesDocumentsInEveryForm) {
  const auto job = job_of<ScoreJob>(request_of(
      "/v1/rerank",
      R"({"query":{"text":"q"},"documents":["a",{"text":"b"},{"content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"content":"e"}]})"));
  EXPECT_EQ(job.texts, (std::vector<std::string>{"q", "a", "b", "cd", "e"}));
  // vLLM's parts are documents of their own where they stand in the list's place.
  const auto parts = job_of<ScoreJob>(request_of(
      "/v1/rerank",
      R"({"query":{"content":[{"type":"text","text":"q"}]},"documents":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}})"));
  EXPECT_EQ(parts.texts, (std::vector<std::string>{"q", "a", "b"}));
  const auto fields = job_of<ScoreJob>(request_of(
      "/v1/rerank", R"({"query":"q","documents":[{"title":"t","body":"b","x":1}],"rank_fields":["title","body"]})"));
  EXPECT_EQ(fields.texts[1], "t\nb");
}

TEST(Rerank, TakesEveryKeyOfTheEngine) {
  const auto job = job_of<ScoreJob>(request_of(
      "/v1/rerank",
      R"({"query":"q","documents":["a"],"cutoff_layers":[8,16],"compress_ratio":2,"compress_layers":[24,40],)"
      R"("instruction":"I: ","passage_instruction":"P: ","query_instruction_format":"{}-{}","prompt":"p","max_length":99,)"
      R"("query_max_length":50,"max_tokens_per_doc":7,"max_tokens_per_query":5,"truncation_side":"left",)"
      R"("long_document_strategy":"chunk","chunk_tokens":30,"chunk_overlap":3,"max_chunks_per_doc":4,)"
      R"("max_new_tokens":10,"think_budget":6,"top_logprobs":14,"timeout":2.5,"stream":true,"truncate":"card"})"));
  EXPECT_EQ(job.options.cutoff_layers, (std::vector<int>{8, 16}));
  EXPECT_EQ(job.options.compress_ratio, 2);
  EXPECT_EQ(job.options.compress_layers, (std::vector<int>{24, 40}));
  EXPECT_EQ(job.options.query_instruction, "I: ");
  EXPECT_EQ(job.options.passage_instruction, "P: ");
  EXPECT_EQ(job.options.query_instruction_format, "{}-{}");
  EXPECT_EQ(job.options.prompt, "p");
  EXPECT_EQ(job.options.max_length, 99);
  EXPECT_EQ(job.options.query_max_length, 50);
  EXPECT_EQ(job.options.truncation, Truncation::kCard);
  EXPECT_EQ(job.options.max_new_tokens, 10);
  EXPECT_EQ(job.options.think_budget, 6);
  EXPECT_EQ(job.options.top_logprobs, 14);
  EXPECT_EQ(job.fitting.max_passage_tokens, 7u);
  EXPECT_EQ(job.fitting.max_query_tokens, 5u);
  EXPECT_TRUE(job.fitting.keep_end);
  EXPECT_TRUE(job.fitting.chunk);
  EXPECT_EQ(job.fitting.chunk_tokens, 30u);
  EXPECT_EQ(job.fitting.chunk_overlap, 3u);
  EXPECT_EQ(job.fitting.max_chunks, 4u);
  EXPECT_EQ(job.timeout, std::chrono::milliseconds(2500));
  EXPECT_TRUE(job.events.has_value());
  const auto one = job_of<ScoreJob>(
      request_of("/v1/rerank", R"({"query":"q","documents":["a"],"cutoff_layers":28,"compress_layer":8})"));
  EXPECT_EQ(one.options.cutoff_layers, (std::vector<int>{28}));
  EXPECT_EQ(one.options.compress_layers, (std::vector<int>{8}));
}

TEST(Rerank, KeepsTheServersSettingsWhereNothingIsAsked) {
  Catalog catalog = catalog_of();
  catalog.models[0].defaults.max_length = 77;
  catalog.models[0].defaults.normalize = true;
  const auto job =
      job_of<ScoreJob>(request_of("/rerank", R"({"query":"q","documents":["a"],"max_length":null})"), catalog);
  EXPECT_EQ(job.options.max_length, 77);
  EXPECT_FALSE(job.options.normalize);
  EXPECT_FALSE(job.fitting.needed());
  EXPECT_FALSE(job.events.has_value());
}

TEST(Rerank, APairWithoutAScoreIsTheRequestsError) {
  const std::vector<Result<Score>> scores = {
      score_of(1), Error{Error::Code::kCorrupt, "the score is nan", "pair 1", ""}, score_of(2)};
  const auto tei = job_of<ScoreJob>(request_of("/rerank", R"({"query":"q","texts":["a","b","c"]})"));
  EXPECT_EQ(tei.answer(scores, info_of("cross-encoder")).status, 424);
  EXPECT_EQ(tei.answer(scores, info_of("cross-encoder")).body,
            R"({"error":"pair 1: the score is nan","error_type":"Backend"})");
  const auto jina = job_of<ScoreJob>(request_of("/jina/rerank", "{" + kDocuments + "}"));
  EXPECT_EQ(jina.answer(scores, info_of("cross-encoder")).status, 500);
}

TEST(Rerank, StreamsReasoningAndVerdicts) {
  const auto job = job_of<ScoreJob>(
      request_of("/rerank", R"({"query":"q","documents":["a","b"],"stream":true,"return_reasoning":true})"),
      catalog_of("reasoning"));
  ASSERT_TRUE(job.events);
  const ModelInfo info = info_of("reasoning");
  EXPECT_EQ(job.events->reasoning(1, "hm\n"), "data: {\"index\":1,\"reasoning_delta\":\"hm\\n\"}\n\n");
  Score score;
  score.value = 0.75;
  score.reasoning = "hm";
  EXPECT_EQ(job.events->scored(1, score, info),
            "data: {\"index\":1,\"relevance_score\":0.75,\"reasoning\":\"hm\",\"finished\":true}\n\n");
  const std::vector<Result<Score>> scores = {score_of(0.5), score};
  const std::string last = job.events->last(scores, info);
  EXPECT_TRUE(last.ends_with("data: [DONE]\n\n"));
  EXPECT_NE(last.find(R"("results":[{"index":1,)"), std::string::npos);
  EXPECT_NE(job.events->failed({Failure::Kind::kTimeout, "over"}).find("\"message\":\"over\""), std::string::npos);
}

}  // namespace
}  // namespace rerank::dialects
