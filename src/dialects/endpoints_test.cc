// Pairs, tokens, lists of models, the description of it all, and text in OpenAI's words.
#include <nlohmann/json.hpp>

#include "dialects/dialect.h"
#include "dialects/test_support.h"

namespace rerank::dialects {
namespace {

using nlohmann::json;
using testing::catalog_of;
using testing::header_of;
using testing::info_of;
using testing::job_of;
using testing::refusal_of;
using testing::request_of;
using testing::score_of;

TEST(Score, PairsInTheOrderGiven) {
  for (const char* keys : {R"("text_1":"q","text_2":["a","b"])", R"("queries":"q","documents":["a","b"])",
                           R"("queries":["q"],"items":["a","b"])", R"("data_1":["q","q"],"data_2":["a","b"])",
                           R"("text_1":{"content":[{"type":"text","text":"q"}]},"text_2":["a",{"text":"b"}])",
                           R"("queries":"q","documents":{"content":[{"type":"text","text":"a"},{"text":"b"}]})"}) {
    const auto job = job_of<ScoreJob>(request_of("/v1/score", R"({"model":"m",)" + std::string(keys) + "}"));
    ASSERT_EQ(job.pairs.size(), 2u);
    EXPECT_EQ(job.texts[job.pairs[1].query], "q");
    EXPECT_EQ(job.texts[job.pairs[1].passage], "b");
    const std::vector<Result<Score>> scores = {score_of(-1e9, 7), score_of(0, 8)};
    EXPECT_EQ(job.answer(scores, info_of("cross-encoder")).body,
              R"({"id":"score-req-1","object":"list","created":1700000001,"model":"m","data":[)"
              R"({"index":0,"object":"score","score":0.0},{"index":1,"object":"score","score":0.5}],)"
              R"("usage":{"prompt_tokens":15,"total_tokens":15,"completion_tokens":0},"score_kind":"sigmoid"})");
  }
  EXPECT_EQ(refusal_of(request_of("/score", R"({"text_1":"q"})")).status, 400);
  EXPECT_EQ(refusal_of(request_of("/score", R"({"text_1":[],"text_2":[]})")).status, 400);
  EXPECT_EQ(refusal_of(request_of("/score", R"({"text_1":"q","text_2":[1]})")).status, 400);
}

TEST(Predict, ScoresOnePairOrMany) {
  const auto one = job_of<ScoreJob>(request_of("/predict", R"({"inputs":["q","a"],"raw_scores":true})"));
  const std::vector<Result<Score>> score = {score_of(-1.5)}, scores = {score_of(0), score_of(-1e9)};
  EXPECT_EQ(one.answer(score, info_of("cross-encoder")).body, R"([{"score":-1.5,"label":"LABEL_0"}])");
  const auto many = job_of<ScoreJob>(request_of("/predict", R"({"inputs":[["q","a"],["q","b"]]})"));
  EXPECT_EQ(many.answer(scores, info_of("cross-encoder")).body,
            R"([[{"score":0.5,"label":"LABEL_0"}],[{"score":0.0,"label":"LABEL_0"}]])");
  EXPECT_EQ(refusal_of(request_of("/predict", R"({"inputs":"alone"})")).status, 422);
  EXPECT_EQ(refusal_of(request_of("/predict", R"({"inputs":[["q"]]})")).status, 422);
  EXPECT_EQ(refusal_of(request_of("/predict", R"({"inputs":[["q","a"],"b"]})")).status, 422);
  EXPECT_EQ(refusal_of(request_of("/predict", R"({"inputs":[]})")).status, 400);
}

TEST(Vertex, AnswersEachInstanceAsIfItHadComeAlone) {
  const auto job = job_of<ScoreJob>(request_of(
      "/vertex",
      R"({"instances":[{"query":"q","texts":["a","b"],"return_text":true},{"inputs":["r","c"],"raw_scores":true}]})"));
  ASSERT_EQ(job.pairs.size(), 3u);
  EXPECT_EQ(job.texts[job.pairs[1].passage], "b");
  EXPECT_EQ(job.texts[job.pairs[2].query], "r");
  EXPECT_EQ(job.texts[job.pairs[2].passage], "c");
  const std::vector<Result<Score>> scores = {score_of(-1e9), score_of(0), score_of(2.5)};
  EXPECT_EQ(job.answer(scores, info_of("cross-encoder")).body,
            R"({"predictions":[[{"index":1,"score":0.5,"text":"b"},{"index":0,"score":0.0,"text":"a"}],)"
            R"([{"score":2.5,"label":"LABEL_0"}]]})");
  const std::vector<Result<Score>> broken = {score_of(1), score_of(2), Error{}};
  EXPECT_EQ(job.answer(broken, info_of("cross-encoder")).status, 424);
  EXPECT_EQ(refusal_of(request_of("/vertex", R"({"instances":{}})")).status, 422);
  EXPECT_EQ(refusal_of(request_of("/vertex", R"({"instances":["q"]})")).status, 422);
}

TEST(Tokenize, PositionsCountCharacters) {
  const auto job = job_of<TokenizeJob>(request_of("/tokenize", R"({"inputs":"\u00e9t\u00e9 x"})"));
  EXPECT_TRUE(job.special_tokens);
  const std::vector<Token> tokens = {{101, "[CLS]", true, 0, 0}, {7, "ete", false, 0, 5}, {8, "x", false, 6, 7}};
  const std::vector<Result<std::vector<Token>>> results = {tokens};
  EXPECT_EQ(job.answer_tokens(results).body, R"([[{"id":101,"text":"[CLS]","special":true,"start":null,"stop":null},)"
                                             R"({"id":7,"text":"été","special":false,"start":0,"stop":3},)"
                                             R"({"id":8,"text":"x","special":false,"start":4,"stop":5}]])");
  const auto plain = job_of<TokenizeJob>(request_of("/tokenize", R"({"inputs":["a","b"],"add_special_tokens":false})"));
  EXPECT_EQ(plain.texts.size(), 2u);
  EXPECT_FALSE(plain.special_tokens);
  EXPECT_EQ(refusal_of(request_of("/tokenize", "{}")).status, 422);
  EXPECT_EQ(refusal_of(request_of("/tokenize", R"({"inputs":[]})")).status, 400);
  const std::vector<Result<std::vector<Token>>> bad = {Error{Error::Code::kBadInput, "is too long", "text", ""}};
  EXPECT_EQ(plain.answer_tokens(bad).status, 422);
}

TEST(Decode, TakesOneListOrMany) {
  const auto one = job_of<TokenizeJob>(request_of("/decode", R"({"ids":[1,2]})"));
  EXPECT_EQ(one.ids, (std::vector<std::vector<std::int32_t>>{{1, 2}}));
  EXPECT_TRUE(one.skip_special_tokens);
  const auto many = job_of<TokenizeJob>(request_of("/decode", R"({"ids":[[1],[]],"skip_special_tokens":false})"));
  EXPECT_EQ(many.ids.size(), 2u);
  EXPECT_FALSE(many.skip_special_tokens);
  const std::vector<std::string> texts = {"a\"", "b"};
  EXPECT_EQ(many.answer_texts(texts).body, R"(["a\"","b"])");
  for (const char* ids : {"[]", "\"1\"", "[-1]", "[1.5]", "[3000000000]", "[[1],2]"})
    EXPECT_GE(refusal_of(request_of("/decode", R"({"ids":)" + std::string(ids) + "}")).status, 400) << ids;
}

TEST(Lists, NameModelsAndLimits) {
  EXPECT_EQ(refusal_of(request_of("/v1/models", "", "GET")).body,
            R"({"object":"list","data":[{"id":"bge","object":"model","created":1700000000,"owned_by":"rerank.cpp",)"
            R"("ready":true,"method":"cross-encoder","max_model_len":512}]})");
  EXPECT_EQ(json::parse(refusal_of(request_of("/v1/models/bge", "", "GET")).body)["id"], "bge");
  EXPECT_EQ(refusal_of(request_of("/v1/models/other", "", "GET")).status, 404);
  Catalog busy = catalog_of();
  busy.limits.max_documents = 1000;
  busy.models[0].waiting_pairs = [] { return std::size_t{250}; };
  EXPECT_EQ(refusal_of(request_of("/infinity/models", "", "GET"), busy).body,
            R"({"object":"list","data":[{"id":"bge","stats":{"queue_fraction":0.25,"queue_absolute":250,)"
            R"("results_pending":250,"batch_size":16384},"object":"model","owned_by":"infinity","created":1700000000,)"
            R"("backend":"rerank.cpp","capabilities":["rerank"]}]})");
  EXPECT_EQ(json::parse(refusal_of(request_of("/infinity/v1/models", "", "GET")).body)["data"].size(), 1u);
  const std::string info = refusal_of(request_of("/info", "", "GET")).body;
  EXPECT_TRUE(info.starts_with(
      R"({"model_id":"bge","model_sha":null,"model_dtype":"float32","served_model_name":"bge","model_type":{"reranker":)"
      R"({"id2label":{"0":"LABEL_0"},"label2id":{"LABEL_0":0}}},"max_concurrent_requests":512,"max_input_length":512,)"
      R"("max_batch_tokens":16384,"max_batch_requests":null,"max_client_batch_size":100000,"auto_truncate":true,)"
      R"("tokenization_workers":4,"version":"0.1.0","sha":null,"docker_label":null,)"))
      << info;
  EXPECT_EQ(json::parse(info)["models"], json::array({"bge"}));
}

TEST(OpenApi, NamesEveryPathThatIsUnderstood) {
  const HttpResponse response = refusal_of(request_of("/openapi.json", "", "GET"));
  const json document = json::parse(response.body);
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["info"]["version"], "0.1.0");
  for (const std::string& path : known_paths()) EXPECT_TRUE(document["paths"].contains(path)) << path;
  for (const auto& [path, methods] : document["paths"].items()) {
    if (is_open(path) || path == "/metrics") continue;  // answered by the server itself
    const auto route = find_route(path);
    ASSERT_TRUE(route) << path;
    for (const auto& [method, operation] : methods.items()) {
      const std::string name = method == "get" ? "GET" : "POST";
      EXPECT_NE(route->methods.find(name), std::string_view::npos) << path;
      // The examples are good requests.
      if (name == "GET") continue;
      const auto& example = operation["requestBody"]["content"]["application/json"]["example"];
      const Job job = read(request_of(path, example.dump()), catalog_of("reasoning"));
      EXPECT_FALSE(std::holds_alternative<HttpResponse>(job)) << path << std::get<HttpResponse>(job).body;
    }
  }
  // Every reference leads somewhere.
  std::size_t at = 0;
  while ((at = response.body.find("#/components/", at)) != std::string::npos) {
    const std::string pointer = response.body.substr(at + 1, response.body.find('"', at) - at - 1);
    EXPECT_TRUE(document.contains(json::json_pointer(pointer))) << pointer;
    at += pointer.size();
  }
}

TEST(Page, AsksForNothingFromOutside) {
  const HttpResponse page = refusal_of(request_of("/", "", "GET"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(header_of(page, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.body.find("http://"), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  EXPECT_EQ(page.body.find("src="), std::string::npos);
  EXPECT_NE(page.body.find("prefers-color-scheme"), std::string::npos);
  EXPECT_NE(page.body.find("addEventListener"), std::string::npos);
  EXPECT_NE(header_of(page, "Content-Security-Policy").find("default-src 'none'"), std::string::npos);
}

GeneratedText seven() {
  GeneratedText text;
  text.text = "7";
  text.token_ids = {22};
  text.token_texts = {"7"};
  text.logprobs = {{{22, -0.25, "7"}, {21, -1.5, "6"}, {9, -3, "\xC3\xA9"}}};
  text.prompt_tokens = 90;
  return text;
}

TEST(Chat, AnswersWithLogprobs) {
  const auto request = request_of(
      "/v1/chat/completions",
      R"({"model":"lb","messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"u"}]}],)"
      R"("max_tokens":1,"temperature":0.0,"logprobs":true,"top_logprobs":3})");
  const auto job = job_of<GenerateJob>(request, catalog_of("expectation"));
  ASSERT_EQ(job.prompts.size(), 1u);
  const auto& messages = std::get<std::vector<ChatMessage>>(job.prompts[0]);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "u");
  EXPECT_EQ(job.options.max_new_tokens, 1);
  EXPECT_EQ(job.options.logprobs, 3);
  EXPECT_FALSE(job.options.special_tokens);
  EXPECT_TRUE(job.options.token_texts);
  const std::vector<Result<GeneratedText>> texts = {seven()};
  EXPECT_EQ(
      job.answer(texts).body,
      R"({"id":"chatcmpl-req-1","object":"chat.completion","created":1700000001,"model":"lb","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"7"},"logprobs":{"content":[{"token":"7","logprob":-0.25,)"
      R"("bytes":[55],"top_logprobs":[{"token":"7","logprob":-0.25,"bytes":[55]},)"
      R"({"token":"6","logprob":-1.5,"bytes":[54]},{"token":"é","logprob":-3.0,"bytes":[195,169]}]}]},)"
      R"("finish_reason":"length"}],"usage":{"prompt_tokens":90,"completion_tokens":1,"total_tokens":91}})");
}

TEST(Chat, RefusesWhatItCannotDo) {
  const auto status = [](const std::string& keys) {
    const auto request = request_of("/v1/chat/completions", "{" + keys + "}");
    const Job job = read(request, catalog_of("expectation"));
    const auto* response = std::get_if<HttpResponse>(&job);
    return response == nullptr ? 200 : response->status;
  };
  const std::string message = R"("messages":[{"role":"user","content":"x"}])";
  EXPECT_EQ(status(message), 200);
  EXPECT_EQ(status(message + R"(,"n":1,"tools":[],"temperature":1,"seed":7,"stop":null)"), 200);
  for (const char* keys : {R"("n":2)", R"("tools":[{}])", R"("logit_bias":{"5":1})", R"("top_logprobs":3)",
                           R"("logprobs":true,"top_logprobs":21)", R"("max_tokens":-1)", R"("stop":[7])",
                           R"("stream_options":7)", R"("logprobs":5)"})
    EXPECT_EQ(status(message + "," + keys), 400) << keys;
  for (const char* keys :
       {R"("x":1)", R"("messages":[])", R"("messages":"x")", R"("messages":[7])", R"("messages":[{"content":"x"}])",
        R"("messages":[{"role":"robot","content":"x"}])", R"("messages":[{"role":"user","content":7}])",
        R"("messages":[{"role":"user","content":[{"type":"image_url"}]}])"})
    EXPECT_EQ(status(keys), 400) << keys;
}

TEST(Chat, Streams) {
  const auto job = job_of<GenerateJob>(
      request_of(
          "/v1/chat/completions",
          R"({"messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}})"),
      catalog_of("expectation"));
  ASSERT_TRUE(job.events);
  const auto data = [](const std::string& events) {
    std::vector<json> all;
    std::size_t at = 0;
    while (at < events.size()) {
      const std::size_t end = events.find("\n\n", at);
      EXPECT_EQ(events.substr(at, 6), "data: ");
      all.push_back(json::parse(events.substr(at + 6, end - at - 6)));
      at = end + 2;
    }
    return all;
  };
  TextDelta delta;
  delta.text = "he";
  auto events = data(job.events->next(0, delta));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[1]["choices"][0]["delta"]["content"], "he");
  EXPECT_EQ(events[1]["object"], "chat.completion.chunk");
  EXPECT_EQ(data(job.events->next(0, delta)).size(), 1u);
  GeneratedText whole = seven();
  whole.stopped = true;
  events = data(job.events->done(0, whole));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["choices"][0]["finish_reason"], "stop");
  const std::string last = job.events->last();
  EXPECT_TRUE(last.ends_with("data: [DONE]\n\n"));
  EXPECT_NE(last.find(R"("usage":{"prompt_tokens":90,"completion_tokens":1,"total_tokens":91})"), std::string::npos);
}

TEST(Completions, TellWhatTheCardOfRank1Reads) {
  const auto job = job_of<GenerateJob>(
      request_of("/v1/completions",
                 R"({"model":"rank1","prompt":["one","two"],"max_tokens":8192,"temperature":0,"logprobs":2,)"
                 R"("stop":["</think> true","</think> false"],"skip_special_tokens":false})"),
      catalog_of("reasoning"));
  EXPECT_EQ(std::get<std::string>(job.prompts[1]), "two");
  EXPECT_EQ(job.options.stop.size(), 2u);
  EXPECT_EQ(job.options.max_new_tokens, 8192);
  EXPECT_FALSE(job.options.skip_special_tokens);
  EXPECT_TRUE(job.options.special_tokens);
  GeneratedText text;
  text.text = "Hm.\n";
  text.token_ids = {5, 6, 7};
  text.token_texts = {"Hm.\n", "</think>", " true"};
  text.logprobs = {
      {{5, -0.5, "Hm.\n"}, {8, -1, "x"}}, {{6, -0.5, "</think>"}}, {{7, -0.125, " true"}, {9, -2, " false"}}};
  text.prompt_tokens = 4;
  text.stopped = true;
  const std::vector<Result<GeneratedText>> texts = {text, text};
  EXPECT_EQ(
      json::parse(job.answer(texts).body)["choices"][0].dump(),
      R"({"finish_reason":"stop","index":0,"logprobs":{"text_offset":[0,4,12],"token_logprobs":[-0.5,-0.5,-0.125],)"
      R"("tokens":["Hm.\n","</think>"," true"],"top_logprobs":[{"Hm.\n":-0.5,"x":-1.0},{"</think>":-0.5},)"
      R"({" false":-2.0," true":-0.125}]},"text":"Hm.\n"})");
  EXPECT_EQ(json::parse(job.answer(texts).body)["usage"]["total_tokens"], 14);
  const std::vector<Result<GeneratedText>> broken = {Error{Error::Code::kBadInput, "has 9 tokens", "prompt 0", ""}};
  EXPECT_EQ(job.answer(broken).status, 400);
  EXPECT_EQ(job_of<GenerateJob>(request_of("/v1/completions", R"({"prompt":"x"})"), catalog_of("reasoning"))
                .options.max_new_tokens,
            16);
}

TEST(Completions, StreamsWithEcho) {
  const auto job =
      job_of<GenerateJob>(request_of("/v1/completions", R"({"prompt":"é: ","stream":true,"echo":true,"logprobs":0})"),
                          catalog_of("reasoning"));
  EXPECT_EQ(job.options.logprobs, 1);
  TextDelta delta;
  delta.text = "ab";
  delta.token_ids = {1, 2};
  delta.token_texts = {"a", "b"};
  delta.logprobs = {{{1, -1, "a"}}, {{2, -2, "b"}}};
  const auto choice = [](const std::string& event) { return json::parse(event.substr(6))["choices"][0]; };
  const json first = choice(job.events->next(0, delta));
  EXPECT_EQ(first["text"], "é: ab");
  EXPECT_EQ(first["logprobs"]["text_offset"].dump(), "[3,4]");
  EXPECT_TRUE(first["logprobs"]["top_logprobs"].is_null());
  EXPECT_EQ(choice(job.events->next(0, delta))["logprobs"]["text_offset"].dump(), "[5,6]");
  EXPECT_EQ(job.events->last(), "data: [DONE]\n\n");
}

TEST(Completions, GoToTheModelThatWrites) {
  Catalog catalog = catalog_of("cross-encoder");
  ServedModel writes = catalog_of("reasoning").models[0];
  writes.name = "rank1";
  catalog.models.push_back(writes);
  EXPECT_EQ(job_of<GenerateJob>(request_of("/v1/completions", R"({"prompt":"x"})"), catalog).model, 1u);
  EXPECT_EQ(refusal_of(request_of("/v1/completions", R"({"prompt":"x","model":"bge"})"), catalog).status, 400);
  EXPECT_EQ(refusal_of(request_of("/v1/completions", R"({"model":"rank1"})"), catalog).status, 400);
}

}  // namespace
}  // namespace rerank::dialects
