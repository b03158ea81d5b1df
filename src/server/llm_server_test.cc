// Language models behind HTTP: what is answered, whole or in pieces, is what the library gives without a server.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>

#include "server/llm_test_server.h"
#include "support/sanitized.h"
#include "support/shared_data.h"

namespace rerank::server {
namespace {

using rerank::testing::kSanitized;
using testing::Events;
using testing::Json;
using testing::Response;
using testing::TestClient;
using testing::TestServer;
using testing::TinyCausal;
using testing::value_of;

class LlmServer : public testing::LlmServerTest {
 protected:
  void expect_reasoning_of_engine(const std::string& query, const std::vector<std::string>& documents,
                                  int max_new_tokens);
};

// Until an event has come, which stays to be read.
void wait_for_event(const TestClient& client) {
  std::string bytes(1 << 14, '\0');
  for (int tries = 0; tries < 60'000; ++tries) {
    const ssize_t got = recv(client.descriptor(), bytes.data(), bytes.size(), MSG_PEEK);
    ASSERT_GT(got, 0);
    if (bytes.substr(0, static_cast<std::size_t>(got)).find("data: ") != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL() << "no event came";
}

std::vector<double> log_probabilities_of(const GeneratedText& text) {
  std::vector<double> taken;
  for (const auto& step : text.logprobs) taken.push_back(step.front().log_probability);
  return taken;
}

void expect_completion(const Json& choice, const GeneratedText& text) {
  EXPECT_EQ(choice.at("text"), text.text);
  EXPECT_EQ(choice.at("finish_reason"), text.stopped ? "stop" : "length");
  EXPECT_EQ(choice.at("logprobs").at("tokens"), text.token_texts);
  EXPECT_EQ(choice.at("logprobs").at("token_logprobs"), log_probabilities_of(text));
}

// A stream's events, put together to what a whole answer has.
std::map<std::size_t, Json> joined_completions(const Events& events) {
  std::map<std::size_t, Json> choices;
  for (const Json& event : events.list) {
    const Json& piece = event.at("choices").at(0);
    auto& choice = choices
                       .try_emplace(piece.at("index").get<std::size_t>(),
                                    Json{{"text", ""},
                                         {"finish_reason", nullptr},
                                         {"pieces", 0},
                                         {"logprobs", {{"tokens", Json::array()}, {"token_logprobs", Json::array()}}}})
                       .first->second;
    EXPECT_TRUE(choice["finish_reason"].is_null()) << "after its end: " << piece;
    choice["text"] = choice["text"].get<std::string>() + piece.at("text").get<std::string>();
    choice["finish_reason"] = piece.at("finish_reason");
    choice["pieces"] = choice["pieces"].get<int>() + 1;
    if (piece.at("logprobs").is_null()) continue;
    for (const char* key : {"tokens", "token_logprobs"})
      for (const Json& value : piece.at("logprobs").at(key)) choice["logprobs"][key].push_back(value);
  }
  return choices;
}

TEST_F(LlmServer, CompletionsAreTheGeneratorsTexts) {
  serve(TinyCausal::qwen2(false), "reasoning");
  const std::vector<std::string> prompts{"A panda", "What does it eat?", "B"};
  // A letter that the first text has in its middle stops it there.
  const std::string free = write(prompts, {.max_new_tokens = 40})[0].text;
  const auto letter = std::find_if(free.begin() + 5, free.end(), [](char c) { return c > ' ' && c <= '~'; });
  ASSERT_NE(letter, free.end());
  for (const std::vector<std::string>& stop : {std::vector<std::string>(), std::vector{std::string(1, *letter)}}) {
    const auto expected = write(prompts, {.max_new_tokens = 40, .logprobs = 3, .stop = stop});
    Json body{{"prompt", prompts}, {"max_tokens", 40}, {"logprobs", 3}, {"stop", stop}};
    const Response whole = post("/v1/completions", body);
    ASSERT_EQ(whole.status, 200) << whole.body;
    const Json answer = Json::parse(whole.body);
    ASSERT_EQ(answer["choices"].size(), prompts.size());
    std::size_t new_tokens = 0;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      expect_completion(answer["choices"][i], expected[i]);
      new_tokens += expected[i].token_ids.size();
    }
    EXPECT_EQ(expected[0].stopped, !stop.empty());
    EXPECT_EQ(answer["usage"]["completion_tokens"], new_tokens);

    body["stream"] = true;
    const Response streamed = post("/v1/completions", body);
    EXPECT_EQ(streamed.headers.at("content-type"), "text/event-stream; charset=utf-8");
    const Events events(streamed.body);
    EXPECT_TRUE(events.done);
    const auto choices = joined_completions(events);
    ASSERT_EQ(choices.size(), prompts.size());
    for (const auto& [i, choice] : choices) expect_completion(choice, expected[i]);
    EXPECT_GT(choices.at(1).at("pieces"), 5) << "came in one piece";
  }
}

TEST_F(LlmServer, ChatsAreTheGeneratorsTextsBehindTheTemplate) {
  serve(TinyCausal::qwen2(true), "expectation");
  const std::vector<ChatMessage> messages{{"system", "score it"}, {"user", "a panda"}};
  const auto expected = write({value_of(generator_->chat_prompt(messages))},
                              {.max_new_tokens = 12, .logprobs = 7, .special_tokens = false})[0];
  Json body{{"messages", Json::array()}, {"max_tokens", 12}, {"logprobs", true}, {"top_logprobs", 7}};
  for (const ChatMessage& message : messages)
    body["messages"].push_back({{"role", message.role}, {"content", message.content}});
  const auto expect_content = [&](const Json& content) {
    ASSERT_EQ(content.size(), expected.token_ids.size());
    for (std::size_t i = 0; i < content.size(); ++i) {
      EXPECT_EQ(content[i].at("token"), expected.token_texts[i]);
      ASSERT_EQ(content[i].at("top_logprobs").size(), 7u);
      for (std::size_t k = 0; k < 7; ++k) {
        EXPECT_EQ(content[i]["top_logprobs"][k].at("token"), expected.logprobs[i][k].text);
        EXPECT_EQ(content[i]["top_logprobs"][k].at("logprob"), expected.logprobs[i][k].log_probability);
      }
    }
  };
  const Json whole = Json::parse(post("/v1/chat/completions", body).body);
  EXPECT_EQ(whole.at("choices").at(0).at("message").at("content"), expected.text);
  EXPECT_EQ(whole.at("usage").at("prompt_tokens"), expected.prompt_tokens);
  expect_content(whole["choices"][0].at("logprobs").at("content"));

  body["stream"] = true;
  const Events events(post("/v1/chat/completions", body).body);
  EXPECT_TRUE(events.done);
  std::string text;
  Json content = Json::array();
  for (const Json& event : events.list) {
    const Json& choice = event.at("choices").at(0);
    text += choice.at("delta").value("content", "");
    if (choice.at("logprobs").is_object())
      for (const Json& token : choice["logprobs"].at("content")) content.push_back(token);
  }
  EXPECT_EQ(events.list.front()["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(text, expected.text);
  expect_content(content);
  EXPECT_EQ(events.list.back()["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
}

// Whole and streamed, to the last bit, and to the last letter that was written.
void LlmServer::expect_reasoning_of_engine(const std::string& query, const std::vector<std::string>& documents,
                                           int max_new_tokens) {
  ScoreOptions options;
  options.max_new_tokens = max_new_tokens;
  const std::vector<Score> expected = score(query, documents, options);
  Json body{{"query", query},
            {"documents", documents},
            {"max_new_tokens", max_new_tokens},
            {"return_reasoning", true},
            {"return_tokens", true}};
  const Response response = post("/rerank", body, "X-Request-Id: same\r\n");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json whole = Json::parse(response.body);
  EXPECT_EQ(whole.at("score_kind"), "probability");
  ASSERT_EQ(whole.at("results").size(), documents.size());
  const auto expect_result = [&](const Json& result) {
    const Score& score = expected.at(result.at("index"));
    EXPECT_EQ(result.at("relevance_score"), score.value);
    EXPECT_EQ(result.at("reasoning"), score.reasoning);
    EXPECT_EQ(result.at("finished"), score.finished);
    EXPECT_EQ(result.at("tokens"), score.tokens);
  };
  for (const Json& result : whole["results"]) expect_result(result);

  body["stream"] = true;
  const Events events(post("/rerank", body, "X-Request-Id: same\r\n").body);
  EXPECT_TRUE(events.done);
  ASSERT_FALSE(events.list.empty());
  EXPECT_EQ(events.list.back(), whole);
  std::vector<std::string> thoughts(documents.size());
  std::vector<int> verdicts(documents.size());
  for (std::size_t i = 0; i + 1 < events.list.size(); ++i) {
    const Json& event = events.list[i];
    const std::size_t index = event.at("index");
    EXPECT_EQ(verdicts.at(index), 0) << "after its verdict: " << event;
    if (event.contains("reasoning_delta")) {
      thoughts[index] += event["reasoning_delta"].get<std::string>();
    } else {
      expect_result(event);
      ++verdicts[index];
    }
  }
  for (std::size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ(thoughts[i], expected[i].reasoning);
    EXPECT_EQ(verdicts[i], 1);
  }
}

const std::vector<std::string> kDocuments{"a bear", "", "it eats bamboo", "caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87",
                                          "a bear"};

TEST_F(LlmServer, ReasoningIsTheEngines) {
  serve(TinyCausal::qwen2(false), "reasoning");
  expect_reasoning_of_engine("what is a panda?", kDocuments, 30);
}

// A model that comes to verdicts of its own, which are no part of the reasoning.
TEST_F(LlmServer, ReasoningThatEndsIsTheEngines) {
  RERANK_NEED_SHARED("golden/rank1-toy");
  serve(rerank::testing::shared_dir() / "golden" / "rank1-toy", "reasoning");
  ScoreOptions options;
  options.max_new_tokens = 64;
  const auto scores = score("what is a panda?", kDocuments, options);
  EXPECT_TRUE(std::any_of(scores.begin(), scores.end(), [](const Score& score) { return score.finished; }));
  expect_reasoning_of_engine("what is a panda?", kDocuments, 64);
}

TEST_F(LlmServer, ManyClientsAtOnceGetTheirOwn) {
  serve(TinyCausal::llama(), "reasoning");
  constexpr std::size_t kClients = 9;
  const auto prompt_of = [](std::size_t c) { return "prompt of client " + std::to_string(c); };
  std::vector<GeneratedText> texts;
  std::vector<Score> scores;
  ScoreOptions options;
  options.max_new_tokens = 30;
  for (std::size_t c = 0; c < kClients; ++c) {
    texts.push_back(write({prompt_of(c)}, {.max_new_tokens = 30})[0]);
    scores.push_back(score("q", {prompt_of(c)}, options)[0]);
  }
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (std::size_t c = 0; c < kClients; ++c)
    clients.emplace_back([&, c] {
      const Json ranked =
          Json::parse(post("/rerank", {{"query", "q"}, {"documents", {prompt_of(c)}}, {"max_new_tokens", 30}}).body);
      right += ranked["results"][0]["relevance_score"] == scores[c].value;
      Json body{{"prompt", prompt_of(c)}, {"max_tokens", 30}};
      right += Json::parse(post("/v1/completions", body).body)["choices"][0]["text"] == texts[c].text;
      body["stream"] = true;
      right += joined_completions(Events(post("/v1/completions", body).body)).at(0)["text"] == texts[c].text;
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 3 * kClients);
}

// A model that never ends of its own: control tokens are never the likeliest.
TinyCausal talkative() {
  TinyCausal checkpoint = TinyCausal::qwen2(false);
  auto& head = checkpoint.tensors.at("lm_head.weight");
  const std::size_t first_control = rerank::testing::TinyTokenizer::qwen2().size() - 3;
  std::fill(head.values.begin() + static_cast<std::ptrdiff_t>(first_control * head.shape[1]), head.values.end(), 0.0f);
  return checkpoint;
}

// Streams of it that nobody could wait for: hundreds of thousands of tokens.
Json endless_completion() {
  std::vector<std::string> prompts;
  for (int i = 0; i < 256; ++i) prompts.push_back("prompt " + std::to_string(i));
  return {{"prompt", prompts}, {"max_tokens", 1500}, {"stream", true}};
}
Json endless_reasoning() {
  std::vector<std::string> documents;
  for (int i = 0; i < 256; ++i) documents.push_back("document " + std::to_string(i));
  return {{"query", "q"}, {"documents", documents}, {"max_new_tokens", 900}, {"stream", true}};
}

const std::pair<const char*, Json> kEndless[] = {{"/v1/completions", endless_completion()},
                                                 {"/rerank", endless_reasoning()}};

TEST_F(LlmServer, StopsWritingForAClientThatLeaves) {
  serve(talkative(), "reasoning");
  const auto tokens_written = [&] { return server_->metric("rerank_new_tokens_total{model=\"tiny\"}"); };
  int left = 0;
  for (const auto& [path, body] : kEndless) {
    TestClient leaves(server_->port());
    leaves.send(TestClient::post_of(path, body.dump()));
    wait_for_event(leaves);
    EXPECT_EQ(server_->metric("rerank_requests_in_flight"), 1);
    leaves.leave();
    TestServer::wait_until([&] { return server_->metric("rerank_requests_in_flight") == 0; });
    ++left;
    TestServer::wait_until([&] { return server_->metric("te_request_failure{err=\"dropped\"}") == left; });
    // The pass that is under way may still end.
    TestServer::wait_until([&] {
      const double before = tokens_written();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return tokens_written() == before;
    });
    EXPECT_LT(tokens_written(), 100'000);
  }
  expect_reasoning_of_engine("what is a panda?", kDocuments, 10);
}

TEST_F(LlmServer, AStreamWhoseTimeIsOverSaysSo) {
  serve(talkative(), "reasoning");
  for (const auto& [path, body] : kEndless) {
    // The shortest time in which the stream begins.
    Response response;
    for (double seconds = 0.2; response.status != 200 && seconds < 100; seconds *= 2) {
      response = post(path, body, "X-Request-Timeout: " + std::to_string(seconds) + "\r\n");
      ASSERT_TRUE(response.status == 200 || response.status == 504) << response.body;
    }
    const Events events(response.body);
    ASSERT_FALSE(events.list.empty());
    EXPECT_FALSE(events.done);
    EXPECT_NE(events.list.back().at("error").at("message").get<std::string>().find("time is over"), std::string::npos);
  }
}

TEST_F(LlmServer, EndsWithTheStreamsThatItHasBegun) {
  serve(talkative(), "reasoning");
  const int max_new_tokens = kSanitized ? 100 : 800;
  const auto expected = write({"A panda"}, {.max_new_tokens = max_new_tokens})[0];
  TestClient client(server_->port()), ranks(server_->port());
  client.send(TestClient::post_of(
      "/v1/completions", Json{{"prompt", "A panda"}, {"max_tokens", max_new_tokens}, {"stream", true}}.dump()));
  ranks.send(TestClient::post_of(
      "/rerank",
      Json{{"query", "q"}, {"documents", {"a", "b"}}, {"max_new_tokens", max_new_tokens / 2}, {"stream", true}}
          .dump()));
  wait_for_event(client);
  wait_for_event(ranks);
  auto ended = std::async(std::launch::async, [&] { return server_->stop(); });
  const Events text(client.read().body), ranking(ranks.read().body);
  EXPECT_TRUE(text.done);
  EXPECT_EQ(joined_completions(text).at(0).at("text"), expected.text);
  EXPECT_TRUE(ranking.done);
  EXPECT_EQ(ranking.list.back().at("results").size(), 2u);
  EXPECT_TRUE(ended.get().ok());
}

TEST_F(LlmServer, GivesUpStreamsThatTakeTooLongToEnd) {
  ServerOptions options;
  options.drain_timeout = std::chrono::milliseconds(100);
  serve(talkative(), "reasoning", options);
  TestClient writes(server_->port()), ranks(server_->port());
  writes.send(TestClient::post_of(kEndless[0].first, kEndless[0].second.dump()));
  ranks.send(TestClient::post_of(kEndless[1].first, kEndless[1].second.dump()));
  wait_for_event(writes);
  wait_for_event(ranks);
  EXPECT_FALSE(server_->stop().ok());
  for (TestClient* client : {&writes, &ranks})
    EXPECT_EQ(client->read().body.find("[DONE]"), std::string::npos) << "cut off, and not to be taken for whole";
}

}  // namespace
}  // namespace rerank::server
