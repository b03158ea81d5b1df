// What is wrong, in the words of each dialect; and bodies that nobody should have sent.
#include <nlohmann/json.hpp>

#include "dialects/dialect.h"
#include "dialects/test_support.h"

namespace rerank::dialects {
namespace {

using Kind = Failure::Kind;
using testing::catalog_of;
using testing::header_of;
using testing::job_of;
using testing::refusal_of;
using testing::request_of;

struct Wrong {
  const char* name;
  std::string path, body;
  int status;
  std::string answer;
};

void PrintTo(const Wrong& wrong, std::ostream* out) {
  *out << wrong.name;
}

class Refusals : public ::testing::TestWithParam<Wrong> {};

TEST_P(Refusals, AreByteForByte) {
  const HttpResponse response = refusal_of(request_of(GetParam().path, GetParam().body));
  EXPECT_EQ(response.status, GetParam().status);
  EXPECT_EQ(response.body, GetParam().answer);
}

const std::string kTop0 = "{\"query\":\"q\",\"documents\":[\"a\"],\"top_n\":0}";

INSTANTIATE_TEST_SUITE_P(
    Rerank, Refusals,
    ::testing::Values(
        Wrong{"tei_empty", "/rerank", R"({"query":"q","texts":[]})", 400,
              R"({"error":"`texts` cannot be empty","error_type":"Empty"})"},
        Wrong{
            "tei_type", "/rerank", R"({"query":"q","texts":[1]})", 422,
            R"({"error":"request: texts[0]: is an integer, expected a text, or an object with a \"text\"","error_type":"Validation"})"},
        Wrong{
            "tei_documents", "/tei/rerank", R"({"query":"q","documents":["a"]})", 422,
            R"({"error":"the key \"texts\" is missing: on this path it holds the texts to rank; \"documents\" is understood at /rerank","error_type":"Validation"})"},
        Wrong{"llama_no_query", "/reranking", R"({"documents":["a"]})", 400,
              R"({"error":{"code":400,"message":"\"query\" must be provided","type":"invalid_request_error"}})"},
        Wrong{"llama_query_type", "/reranking", R"({"query":7,"documents":["a"]})", 400,
              R"({"error":{"code":400,"message":"\"query\" must be a string","type":"invalid_request_error"}})"},
        Wrong{
            "llama_empty", "/reranking", R"({"query":"q","documents":[]})", 400,
            R"({"error":{"code":400,"message":"\"documents\" must be a non-empty string array","type":"invalid_request_error"}})"},
        Wrong{
            "llama_null", "/v1/reranking", R"({"query":"q","documents":null})", 400,
            R"({"error":{"code":400,"message":"\"documents\" must be a non-empty string array","type":"invalid_request_error"}})"},
        Wrong{
            "llama_numbers", "/v1/reranking", R"({"query":"q","documents":[1,2,3]})", 400,
            R"({"error":{"code":400,"message":"\"documents\" must be a non-empty string array","type":"invalid_request_error"}})"},
        Wrong{"cohere_top_0", "/cohere/v2/rerank", kTop0, 422,
              R"({"id":"req-1","message":"request: top_n: is 0, expected a whole number from 1 to 1073741824"})"},
        Wrong{
            "infinity_top_0", "/infinity/rerank", kTop0, 422,
            R"({"detail":[{"loc":["body"],"msg":"request: top_n: is 0, expected a whole number from 1 to 1073741824","type":"value_error"}]})"},
        Wrong{
            "llama_top_0", "/reranking", kTop0, 422,
            R"({"error":{"code":422,"message":"request: top_n: is 0, expected a whole number from 1 to 1073741824","type":"invalid_request_error"}})"},
        Wrong{"voyage_top_0", "/voyage/rerank", R"({"query":"q","documents":["a"],"top_k":0})", 422,
              R"({"detail":"request: top_k: is 0, expected a whole number from 1 to 1073741824"})"},
        Wrong{"vllm_top", "/vllm/rerank", R"({"query":"q","documents":["a"],"top_n":-1})", 400,
              R"({"error":{"message":"request: top_n: is -1, expected a whole number from 0 to 1073741824","type":)"
              R"("BadRequestError","param":null,"code":400}})"},
        Wrong{
            "tei_no_such_path", "/tei/nowhere", "{}", 404,
            R"({"error":"there is nothing at /tei/nowhere; /openapi.json lists what there is","error_type":"Validation"})"},
        Wrong{"vertex_empty", "/vertex", R"({"instances":[]})", 400,
              R"({"error":"`instances` cannot be empty","error_type":"Empty"})"},
        Wrong{"vertex_instance", "/vertex", R"({"instances":[{"query":"q","texts":["a"]},{"query":"q","texts":[]}]})",
              400, R"({"error":"`texts` cannot be empty","error_type":"Empty"})"},
        Wrong{
            "vertex_settings", "/vertex",
            R"({"instances":[{"inputs":["q","a"]},{"inputs":["q","a"],"truncate":false}]})", 422,
            R"({"error":"request: instances[1]: is an object, expected the same settings as the instances before it","error_type":"Validation"})"},
        Wrong{"jina_empty", "/jina/rerank", R"({"query":"q","documents":[]})", 422,
              R"({"detail":"`documents` cannot be empty"})"},
        Wrong{"voyage_empty", "/voyage/rerank", R"({"query":"q","documents":[]})", 400,
              R"({"detail":"`documents` cannot be empty"})"},
        Wrong{"xinference_chunks", "/xinference/v1/rerank", R"({"query":"q","documents":["a"],"max_chunks_per_doc":3})",
              400, R"({"detail":"max_chunks_per_doc is not supported here; long_document_strategy \"chunk\" is"})"},
        Wrong{
            "vllm_negative", "/vllm/rerank", R"({"query":"q","documents":["a"],"max_tokens_per_doc":-1})", 400,
            R"({"error":{"message":"request: max_tokens_per_doc: is -1, expected a whole number from 0 to 16777216","type":"BadRequestError","param":null,"code":400}})"},
        Wrong{
            "vllm_pairs", "/score", R"({"text_1":["a","b"],"text_2":["c"]})", 400,
            R"x({"error":{"message":"request: 2 texts cannot be paired with 1 (give one text and a list, or two lists of the same length)","type":"BadRequestError","param":null,"code":400}})x"},
        Wrong{
            "openai_logprobs", "/v1/chat/completions", R"({"messages":[{"role":"user","content":"x"}]})", 400,
            R"({"error":{"message":"The model `bge` writes no text: its method is cross-encoder","type":"invalid_request_error","param":null,"code":null}})"},
        Wrong{
            "common_one_text", "/rerank", R"({"query":"q","documents":"a"})", 400,
            R"({"error":{"message":"request: documents: is a string, expected a list of texts","type":"invalid_request_error","param":null,"code":400},"detail":"request: documents: is a string, expected a list of texts","message":"request: documents: is a string, expected a list of texts"})"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Refusal, HasTheStatusOfItsKindInEveryDialect) {
  struct Row {
    const char* path;
    Kind kind;
    int status;
    const char* part;  // of the body
  };
  for (const Row& row : std::initializer_list<Row>{
           {"/tei/rerank", Kind::kUnauthorized, 401, ""},
           {"/tei/rerank", Kind::kOverloaded, 429, R"({"error":"Model is overloaded","error_type":"Overloaded"})"},
           {"/tei/rerank", Kind::kUnsupported, 424, R"("error_type":"Backend")"},
           {"/tei/rerank", Kind::kTooLong, 422, R"("error_type":"Validation")"},
           {"/tei/rerank", Kind::kLoading, 503, R"({"error":"unhealthy","error_type":"Unhealthy"})"},
           {"/tei/health", Kind::kStopping, 503, R"({"error":"unhealthy","error_type":"Unhealthy"})"},
           {"/tei/rerank", Kind::kTooLarge, 413, R"("error":"why")"},
           {"/cohere/v1/rerank", Kind::kUnauthorized, 401, R"("message":"why")"},
           {"/cohere/v1/rerank", Kind::kOverloaded, 429, R"("message":"why")"},
           {"/jina/rerank", Kind::kUnauthorized, 401, R"({"detail":"why"})"},
           {"/jina/rerank", Kind::kTooLong, 422, R"({"detail":"why"})"},
           {"/voyage/rerank", Kind::kTooLong, 400, R"({"detail":"why"})"},
           {"/vllm/rerank", Kind::kTooLong, 400, R"("param":"input_tokens")"},
           {"/vllm/rerank", Kind::kNoSuchModel, 404, R"("type":"NotFoundError")"},
           {"/llama.cpp/rerank", Kind::kUnauthorized, 401, R"("type":"authentication_error")"},
           {"/llama.cpp/rerank", Kind::kTooLong, 400, R"("type":"exceed_context_size_error")"},
           {"/llama.cpp/rerank", Kind::kUnsupported, 501, R"("type":"not_supported_error")"},
           {"/llama.cpp/rerank", Kind::kLoading, 503, R"("type":"unavailable_error")"},
           {"/llama.cpp/rerank", Kind::kInternal, 500, R"("type":"server_error")"},
           {"/infinity/rerank", Kind::kUnauthorized, 401, R"({"detail":"Unauthorized"})"},
           {"/infinity/rerank", Kind::kNoSuchModel, 400, R"("param":null,"code":400)"},
           {"/v1/chat/completions", Kind::kUnauthorized, 401, R"("code":"invalid_api_key")"},
           {"/v1/chat/completions", Kind::kNoSuchModel, 404, R"("code":"model_not_found")"},
           {"/v1/chat/completions", Kind::kTimeout, 504, R"("type":"server_error")"},
           {"/v1/completions", Kind::kStopping, 503, R"("message":"why")"},
           {"/nowhere", Kind::kNotFound, 404, R"("detail":"why","message":"why")"},
           {"/rerank", Kind::kHeadersTooLarge, 431, R"("message":"why")"},
       }) {
    SCOPED_TRACE(row.path);
    const HttpResponse response = refuse(request_of(row.path, ""), {row.kind, "why"});
    EXPECT_EQ(response.status, row.status);
    EXPECT_NE(response.body.find(row.part), std::string::npos) << response.body;
    EXPECT_EQ(header_of(response, "WWW-Authenticate"), row.kind == Kind::kUnauthorized ? "Bearer" : "");
    if (!response.body.empty()) {
      EXPECT_TRUE(nlohmann::json::accept(response.body));
    }
  }
  EXPECT_EQ(header_of(refuse(request_of("/rerank", ""), {Kind::kOverloaded, "why", 7}), "Retry-After"), "7");
}

TEST(Refusal, SpeaksTheDialectOfTheBodyWhereThePathLeavesAChoice) {
  const Failure full{Kind::kOverloaded, "full"};
  EXPECT_EQ(refuse(request_of("/rerank", R"({"query":"q","texts":["a"]})"), full).body,
            R"({"error":"Model is overloaded","error_type":"Overloaded"})");
  EXPECT_EQ(refuse(request_of("/rerank", R"({"query":"q","documents":["a"],"top_k":null})"), full).body,
            R"({"detail":"full"})");
}

TEST(Refusal, TakesNoBodyThatIsNotWhatItSays) {
  const auto status = [](const std::string& body) { return refusal_of(request_of("/rerank", body)).status; };
  EXPECT_EQ(status(""), 400);
  EXPECT_EQ(status("{"), 400);
  EXPECT_EQ(status("[]"), 400);
  EXPECT_EQ(status("null"), 400);
  EXPECT_EQ(status("{} {}"), 400);
  EXPECT_EQ(status("{\"query\":\"\xFF\",\"documents\":[\"a\"]}"), 400);
  EXPECT_EQ(status(R"({"query":"\ud800","documents":["a"]})"), 400);
  EXPECT_EQ(status(R"({"query":"q","query":"q","documents":["a"]})"), 400);
  EXPECT_EQ(status(R"({"query":"q","documents":[{"text":"a","text":"b"}]})"), 400);
  EXPECT_EQ(status(R"({"query":"q","documents":[{"text":"a"}],"rank_fields":["title"]})"), 400);
  EXPECT_EQ(status(R"({"query":"q","documents":[{"title":"a"}]})"), 400);
  EXPECT_EQ(status(R"({"query":"q","documents":["a"],"x":)" + std::string(100, '[') + std::string(100, ']') + "}"),
            400);
  for (const char* keys : {R"("top_n":1e400)",
                           R"("top_n":1e18)",
                           R"("top_n":-1)",
                           R"("top_n":1.5)",
                           R"("top_n":"3")",
                           R"("top_n":true)",
                           R"("top_n":99999999999999999999)",
                           R"("return_documents":"maybe")",
                           R"("return_documents":2)",
                           R"("raw_scores":[])",
                           R"("cutoff_layers":["8"])",
                           R"("cutoff_layers":[-1])",
                           R"("cutoff_layers":{})",
                           R"("compress_ratio":0)",
                           R"("compress_ratio":9)",
                           R"("max_length":0)",
                           R"("truncation_side":"up")",
                           R"("truncate":"SOME")",
                           R"("truncate":3)",
                           R"("prompt":7)",
                           R"("timeout":0)",
                           R"("timeout":-1)",
                           R"("timeout":"soon")",
                           R"("timeout":1e9)",
                           R"("long_document_strategy":"guess")",
                           R"("stream":"perhaps")",
                           R"("allow_partial":"some")",
                           R"("chunk_tokens":5,"chunk_overlap":5)",
                           R"("rank_fields":[1])",
                           R"("model":7)",
                           R"("max_tokens_per_doc":-3)",
                           R"("truncate_prompt_tokens":-2)"}) {
    SCOPED_TRACE(keys);
    const HttpResponse response =
        refusal_of(request_of("/rerank", R"({"query":"q","documents":["a"],)" + std::string(keys) + "}"));
    EXPECT_TRUE(response.status == 400 || response.status == 422) << response.status;
    EXPECT_TRUE(nlohmann::json::accept(response.body)) << response.body;
  }
}

TEST(Refusal, TakesNoMoreThanThereIsMemoryFor) {
  Catalog catalog = catalog_of("reasoning");
  catalog.limits.max_documents = 2;
  for (const auto& [path, body] :
       {std::pair("/rerank", R"({"query":"q","documents":["a","b","c"]})"),
        std::pair("/score", R"({"text_1":"q","text_2":["a","b","c"]})"),
        std::pair("/predict", R"({"inputs":[["q","a"],["q","b"],["q","c"]]})"),
        std::pair("/vertex", R"({"instances":[{"query":"q","texts":["a","b"]},{"query":"q","texts":["c"]}]})")}) {
    const HttpResponse response = refusal_of(request_of(path, body), catalog);
    EXPECT_EQ(response.status, 413) << path;
    EXPECT_NE(response.body.find("3 documents are more than the 2"), std::string::npos) << response.body;
  }
  // What is told of a token is much longer than the token.
  const std::string spaces(2 << 20, ' ');
  EXPECT_EQ(refusal_of(request_of("/tokenize", R"({"inputs":"a"})" + spaces)).status, 413);
  EXPECT_EQ(refusal_of(request_of("/decode", R"({"ids":[1]})" + spaces)).status, 413);
  nlohmann::json prompts(std::vector<std::string>(2049, "p"));
  EXPECT_EQ(refusal_of(request_of("/v1/completions", nlohmann::json{{"prompt", prompts}}.dump()), catalog).status, 400);
}

TEST(Refusal, TakesLooseSpellings) {
  for (const char* keys :
       {R"("top_n":2.0)", R"("return_documents":"TRUE")", R"("return_documents":0)", R"("top_n":null)",
        R"("raw_scores":"false","unknown":{"a":[1]})", R"("model":null)", R"("model":"")"})
    EXPECT_NO_THROW(
        job_of<ScoreJob>(request_of("/rerank", R"({"query":"q","documents":["a"],)" + std::string(keys) + "}")))
        << keys;
}

TEST(Refusal, KnowsPathsAndMethods) {
  EXPECT_EQ(refusal_of(request_of("/nowhere", "{}")).status, 404);
  EXPECT_EQ(refusal_of(request_of("/jina", "{}")).status, 404);
  EXPECT_EQ(refusal_of(request_of("/jinas/x", "{}")).status, 404);
  const HttpResponse get = refusal_of(request_of("/rerank", "", "GET"));
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(header_of(get, "Allow"), "POST");
  EXPECT_EQ(header_of(refusal_of(request_of("/info", "{}", "POST")), "Allow"), "GET, HEAD");
  for (const char* method : {"", "ET", "get", "HEAD, POST", "PUT"})
    EXPECT_EQ(refusal_of(request_of("/", "", method)).status, 405) << method;
  // A path is nobody's text: it need not be UTF-8.
  EXPECT_TRUE(nlohmann::json::accept(refusal_of(request_of("/\xFF\"", "{}")).body));
}

TEST(Refusal, AsksForTheKeyOnThePageItself) {
  const HttpResponse page = refuse(request_of("/", "", "GET"), {Kind::kUnauthorized, "no key"});
  EXPECT_EQ(page.status, 401);
  EXPECT_NE(page.body.find("<html"), std::string::npos);
  EXPECT_EQ(refuse(request_of("/", "{}"), {Kind::kUnauthorized, "no key"}).body, "");
  for (const char* path : {"/health", "/healthz", "/ping", "/health/live", "/health/ready", "/tei/health"})
    EXPECT_TRUE(is_open(path)) << path;
  for (const char* path : {"/", "/rerank", "/metrics", "/health/x", "/healthy", "/teipot/health", "/tei/tei/health"})
    EXPECT_FALSE(is_open(path)) << path;
}

TEST(Models, AreFoundByName) {
  Catalog catalog = catalog_of();
  ServedModel second = catalog.models[0];
  second.name = "bge-reranker-v2-m3";
  catalog.models.push_back(second);
  const auto model_of = [&](const std::string& name) {
    const auto request = request_of("/v1/rerank", R"({"query":"q","documents":["a"],"model":")" + name + "\"}");
    return job_of<ScoreJob>(request, catalog).model;
  };
  EXPECT_EQ(model_of(""), 0u);
  EXPECT_EQ(model_of("bge"), 0u);
  EXPECT_EQ(model_of("BAAI/bge-reranker-v2-m3"), 1u);
  EXPECT_EQ(model_of("BGE-Reranker-v2-M3___VLLM"), 1u);
  const HttpResponse none =
      refusal_of(request_of("/v1/score", R"({"text_1":"q","text_2":"a","model":"gpt"})"), catalog);
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(none.body.find("bge-reranker-v2-m3"), std::string::npos);
}

}  // namespace
}  // namespace rerank::dialects
