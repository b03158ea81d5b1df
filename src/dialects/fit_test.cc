// Texts that are made to fit: the model here counts letters, has room for ten, and needs one token between two texts.
#include <nlohmann/json.hpp>

#include "dialects/test_support.h"

namespace rerank::dialects {
namespace {

using testing::info_of;
using testing::job_of;
using testing::request_of;
using testing::score_of;

constexpr std::uint32_t kRoom = 10;

Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs, const ScoreOptions&) {
  std::vector<Result<PairTokens>> lengths;
  for (const Pair& pair : pairs) {
    const auto tokens = static_cast<std::uint32_t>(pair.query.size() + 1 + pair.passage.size());
    lengths.emplace_back(PairTokens{std::min(tokens, kRoom), tokens - std::min(tokens, kRoom)});
  }
  return lengths;
}

Result<std::vector<Token>> tokens(std::string_view text) {
  std::vector<Token> letters;
  for (std::size_t i = 0; i < text.size(); ++i) letters.push_back({1, "", false, i, i + 1});
  return letters;
}

const TextTools kTools{measure, tokens};

std::variant<ScoreJob, HttpResponse> fitted(const std::string& body, const std::string& path = "/rerank") {
  const HttpRequest request = request_of(path, body);
  return fit(job_of<ScoreJob>(request), request, kTools);
}

std::vector<std::string> passages(const ScoreJob& job) {
  std::vector<std::string> texts;
  for (const auto& pair : job.pairs) texts.push_back(job.texts[pair.passage]);
  return texts;
}

ScoreJob fitted_job(const std::string& keys) {
  auto job = fitted(R"({"query":"qq","documents":["short","a long passage"],"return_tokens":true,)" + keys + "}");
  return std::get<ScoreJob>(std::move(job));
}

nlohmann::json answer(const ScoreJob& job, const std::vector<double>& values) {
  std::vector<Result<Score>> scores;
  for (const double value : values) scores.push_back(score_of(value));
  return nlohmann::json::parse(job.answer(scores, info_of("cross-encoder")).body);
}

TEST(Fit, LeavesAloneWhatNobodyAskedFor) {
  EXPECT_EQ(passages(fitted_job(R"("x":1)")), (std::vector<std::string>{"short", "a long passage"}));
}

TEST(Fit, RefusesInTheWordsOfTheDialect) {
  const auto refusal = [](const std::string& path, const std::string& body) {
    return std::get<HttpResponse>(fitted(body, path));
  };
  const auto tei = refusal("/rerank", R"({"query":"qq","texts":["short","a long passage"],"truncate":false})");
  EXPECT_EQ(tei.status, 422);
  EXPECT_EQ(
      tei.body,
      R"({"error":"Input validation error: `inputs` must have less than 10 tokens. Given: 17","error_type":"Validation"})");
  const std::string body = R"({"query":"qq","documents":["short","a long passage"],"truncation":false})";
  const auto vllm = refusal("/vllm/rerank", body);
  EXPECT_EQ(vllm.status, 400);
  EXPECT_NE(vllm.body.find("This model's maximum context length is 10 tokens"), std::string::npos);
  EXPECT_EQ(refusal("/voyage/rerank", body).status, 400);
  EXPECT_EQ(
      refusal("/v1/ranking", R"({"query":{"text":"qq"},"passages":[{"text":"a long passage"}],"truncate":"NONE"})")
          .status,
      422);
  // What fits is not refused, and a cap that was asked for makes it fit.
  EXPECT_TRUE(std::holds_alternative<ScoreJob>(fitted(R"({"query":"qq","documents":["short"],"truncate":false})")));
  EXPECT_TRUE(std::holds_alternative<ScoreJob>(
      fitted(R"({"query":"qq","documents":["a long passage"],"truncate":false,"max_tokens_per_doc":4})")));
}

TEST(Fit, ShortensToTheLengthsThatAreNamed) {
  const ScoreJob job = fitted_job(R"("max_tokens_per_doc":6,"max_tokens_per_query":1)");
  EXPECT_EQ(passages(job), (std::vector<std::string>{"short", "a long"}));
  EXPECT_EQ(job.texts[job.pairs[1].query], "q");
  const auto body = answer(job, {1, 2});
  EXPECT_EQ(body["results"][0]["cut_tokens"], 9);
  EXPECT_EQ(body["results"][1]["cut_tokens"], 1);
}

TEST(Fit, KeepsTheEnd) {
  const ScoreJob job = fitted_job(R"("truncation_side":"left")");
  EXPECT_EQ(passages(job), (std::vector<std::string>{"short", "passage"}));
  EXPECT_EQ(answer(job, {1, 2})["truncated"].dump(), R"([{"cut_tokens":7,"index":1,"tokens":10}])");
  EXPECT_EQ(passages(fitted_job(R"("truncation_side":"left","max_tokens_per_doc":3)")),
            (std::vector<std::string>{"ort", "age"}));
}

TEST(Fit, TheBestChunkCounts) {
  const ScoreJob job = fitted_job(R"("long_document_strategy":"chunk")");
  EXPECT_EQ(passages(job), (std::vector<std::string>{"short", "a long ", "passage"}));
  const auto body = answer(job, {1, -1, 2});
  EXPECT_EQ(body["results"].size(), 2u);
  EXPECT_EQ(body["results"][0]["index"], 1);
  EXPECT_EQ(body["results"][0]["tokens"], 20);
  EXPECT_FALSE(body.contains("truncated"));
  EXPECT_EQ(answer(job, {1, 0, -2})["results"][0]["index"], 0);
}

TEST(Fit, ChunksOverlapAndEnd) {
  EXPECT_EQ(passages(fitted_job(R"("chunk_tokens":4,"chunk_overlap":1)")),
            (std::vector<std::string>{"shor", "rt", "a lo", "ong ", " pas", "ssag", "ge"}));
  const ScoreJob few = fitted_job(R"("long_document_strategy":"chunk","max_chunks_per_doc":1)");
  EXPECT_EQ(passages(few), (std::vector<std::string>{"short", "a long "}));
  EXPECT_EQ(answer(few, {1, 2})["truncated"].dump(), R"([{"cut_tokens":7,"index":1,"tokens":10}])");
}

// Fourteen letters in chunks of four that step by one are eleven chunks: 44 bytes, and what eleven pairs take.
TEST(Fit, ChunksTakeNoMoreMemoryThanThereIs) {
  const HttpRequest request =
      request_of("/rerank", R"({"query":"qq","documents":["a long passage"],"chunk_tokens":4,"chunk_overlap":3})");
  TextTools tools = kTools;
  tools.bytes_per_pair = 10;
  tools.max_chunk_bytes = 154;
  EXPECT_EQ(passages(std::get<ScoreJob>(fit(job_of<ScoreJob>(request), request, tools))).size(), 11u);
  tools.max_chunk_bytes = 153;
  const auto refusal = std::get<HttpResponse>(fit(job_of<ScoreJob>(request), request, tools));
  EXPECT_EQ(refusal.status, 413);
  EXPECT_NE(refusal.body.find("overlap less"), std::string::npos) << refusal.body;
}

// A passage of which a chunk is missing has no score yet.
TEST(Fit, APartOfTheChunksIsAPartOfTheAnswer) {
  const std::vector<std::optional<Result<Score>>> scores = {score_of(1), score_of(5), std::nullopt};
  for (const bool stream : {false, true}) {
    const ScoreJob job = fitted_job(std::string(R"("long_document_strategy":"chunk","allow_partial":true,"stream":)") +
                                    (stream ? "true" : "false"));
    const ModelInfo info = info_of("cross-encoder");
    const std::string body = stream ? job.events->last_partly(scores, info) : job.answer_partly(scores, info).body;
    EXPECT_NE(body.find(R"("results":[{"index":0,)"), std::string::npos) << body;
    EXPECT_NE(body.find(R"("unscored":[1])"), std::string::npos) << body;
  }
}

TEST(Fit, ABrokenChunkIsTheRequestsError) {
  const ScoreJob job = fitted_job(R"("long_document_strategy":"chunk")");
  const std::vector<Result<Score>> scores = {score_of(1), score_of(1), Error{Error::Code::kCorrupt, "nan", "", ""}};
  EXPECT_EQ(job.answer(scores, info_of("cross-encoder")).status, 500);
}

TEST(Fit, StreamsTellTheEndOfChunksAlone) {
  const ScoreJob job = fitted_job(R"("long_document_strategy":"chunk","stream":true)");
  ASSERT_TRUE(job.events);
  EXPECT_FALSE(job.events->scored);
  const std::vector<Result<Score>> scores = {score_of(1), score_of(-1), score_of(2)};
  EXPECT_NE(job.events->last(scores, info_of("cross-encoder")).find(R"("results":[{"index":1,)"), std::string::npos);
  EXPECT_TRUE(fitted_job(R"("truncation_side":"left","stream":true)").events->scored);
}

TEST(Fit, PassesTheModelsErrorsOn) {
  const HttpRequest request = request_of("/rerank", R"({"query":"q","texts":["a"],"truncate":false})");
  const TextTools broken{
      [](std::span<const Pair>, const ScoreOptions&) -> Result<std::vector<Result<PairTokens>>> {
        return Error{Error::Code::kBadInput, "is above the model's 512 positions", "--max-length", ""};
      },
      tokens};
  EXPECT_EQ(std::get<HttpResponse>(fit(job_of<ScoreJob>(request), request, broken)).status, 422);
}

}  // namespace
}  // namespace rerank::dialects
