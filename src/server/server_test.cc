#include "server/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "server/test_server.h"
#include "support/sanitized.h"

namespace rerank::server {
namespace {

using rerank::testing::kSanitized;
using testing::embedded;
using testing::Response;
using testing::TestClient;
using testing::TestServer;
using testing::Workload;
using Json = nlohmann::json;

const Engine& offline() {
  static const Engine engine = [] {
    auto loaded = Engine::load_embedded({.threads = 1});
    return std::move(loaded).value();
  }();
  return engine;
}

// Options whose times are so short that a test can wait for them.
ServerOptions impatient() {
  ServerOptions options;
  options.head_timeout = options.idle_timeout = options.transfer_timeout = std::chrono::milliseconds(200);
  return options;
}

TEST(Server, GivesTheScoresOfTheEngineToTheLastBit) {
  TestServer server;
  TestClient client(server.port());
  for (const std::size_t count : {1, 7, kSanitized ? 20 : 150}) {
    const Workload work(count, 8 + count);
    const Response response = client.post("/rerank", work.body());
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(Workload::scores_of(response), work.offline(offline()));
  }
}

TEST(Server, ManyClientsAtOnceGetTheirOwnScores) {
  TestServer server;
  constexpr std::size_t kClients = 16, kRequests = kSanitized ? 3 : 10;
  std::vector<std::thread> clients;
  std::atomic<int> wrong{0}, failed{0};
  std::vector<std::vector<float>> expected;
  for (std::size_t c = 0; c < kClients; ++c) expected.push_back(Workload(1 + c, 4, c).offline(offline()));
  for (std::size_t c = 0; c < kClients; ++c)
    clients.emplace_back([&, c] {
      TestClient client(server.port());
      const std::string body = Workload(1 + c, 4, c).body();
      for (std::size_t i = 0; i < kRequests; ++i) {
        const Response response = client.post("/rerank", body);
        failed += response.status != 200;
        wrong += Workload::scores_of(response) != expected[c];
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(server.metric("te_request_success{method=\"single\"}"), kRequests);
  EXPECT_EQ(server.metric("te_request_success{method=\"batch\"}"), (kClients - 1) * kRequests);
}

TEST(Server, TellsHowItIs) {
  TestServer server;
  TestClient client(server.port());
  EXPECT_EQ(client.get("/health").status, 200);
  EXPECT_EQ(client.get("/ping").status, 200);
  EXPECT_EQ(client.get("/health/live").status, 200);
  EXPECT_EQ(client.get("/v1/models").status, 200);
  EXPECT_EQ(client.get("/no/such/path").status, 404);
  EXPECT_GT(server.metric("process_resident_memory_bytes"), 1e6);
  EXPECT_EQ(server.metric("rerank_model_ready{model=\"embedded\"}"), 1);
  ASSERT_EQ(client.post("/rerank", Workload(3).body()).status, 200);
  EXPECT_EQ(server.metric("te_request_input_length_count"), 3);
  EXPECT_GT(server.metric("rerank_tokens_computed_total{model=\"embedded\"}"), 30);
  EXPECT_GE(server.metric("rerank_connections"), 1);
  ASSERT_EQ(client.post("/predict", R"({"inputs":["q","a"]})").status, 200);
  ASSERT_EQ(client.post("/vertex", R"({"instances":[{"inputs":["q","a"]}]})").status, 200);
  EXPECT_EQ(server.metric("te_predict_success{method=\"single\"}"), 1);
  EXPECT_EQ(server.metric("te_request_success{method=\"single\"}"), 1);
  // The same behind the name of a dialect.
  for (const char* path : {"/tei/health", "/tei/metrics", "/infinity/health", "/vllm/ping", "/llama.cpp/health/ready"})
    EXPECT_EQ(client.get(path).status, 200) << path;
  EXPECT_EQ(Json::parse(client.get("/infinity/models").body)["data"][0]["stats"]["queue_absolute"], 0);
}

TEST(Server, CarriesIdsAndTimes) {
  TestServer server;
  TestClient client(server.port());
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  Response response = client.post("/rerank", Workload(2).body(),
                                  "X-Request-Id: mine-1\r\ntraceparent: 00-" + trace + "-b7ad6b7169203331-01\r\n");
  EXPECT_EQ(response.headers["x-request-id"], "mine-1");
  EXPECT_EQ(response.headers["traceparent"].substr(0, 36), "00-" + trace + "-");
  EXPECT_EQ(response.headers["traceparent"].find("b7ad6b7169203331"), std::string::npos);
  for (const char* name :
       {"x-total-time", "x-queue-time", "x-inference-time", "x-compute-time", "x-compute-characters"})
    EXPECT_EQ(response.headers.count(name), 1u) << name;
  EXPECT_GT(std::stoi(response.headers["x-compute-tokens"]), 10);
  EXPECT_EQ(response.headers["x-compute-type"], "cpu");
  EXPECT_EQ(response.repeated, "") << "a header stands there twice";
  response = client.post("/rerank", Workload(2).body(), "X-Request-Id: not\"good\r\ntraceparent: 00-bad\r\n");
  EXPECT_EQ(response.headers["x-request-id"].size(), 32u);
  EXPECT_EQ(response.headers.count("traceparent"), 0u);
}

TEST(Server, LogsEachRequestWithoutItsTexts) {
  for (const bool with_texts : {false, true}) {
    ServerOptions options;
    options.log_texts = with_texts;
    TestServer server(options);
    TestClient(server.port()).post("/rerank", R"({"query":"secret query","texts":["secret passage"]})");
    EXPECT_TRUE(server.stop().ok());
    std::istringstream lines(server.log());
    int requests = 0;
    for (std::string line; std::getline(lines, line);) {
      const Json entry = Json::parse(line);
      EXPECT_TRUE(entry.contains("time")) << line;
      if (entry["event"] != "request" || entry["path"] != "/rerank") continue;
      ++requests;
      EXPECT_EQ(entry["status"], 200);
      EXPECT_EQ(entry["pairs"], 1);
      EXPECT_GT(entry["tokens"], 3);
    }
    EXPECT_EQ(requests, 1);
    EXPECT_EQ(server.log().find("secret") != std::string::npos, with_texts);
  }
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  TestServer server;
  TestClient client(server.port());
  std::string bytes;
  for (std::size_t i = 1; i <= 5; ++i) bytes += TestClient::post_of("/rerank", Workload(i).body());
  client.send(bytes + "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  for (std::size_t i = 1; i <= 5; ++i) EXPECT_EQ(Workload::scores_of(client.read()).size(), i);
  EXPECT_EQ(client.read().body, "live\n");
  EXPECT_TRUE(client.is_closed());
}

TEST(Server, SpeaksTheOlderAndTheRarerHttp) {
  TestServer server;
  const std::string body = Workload(2).body();
  {
    TestClient client(server.port());
    client.send("POST /rerank HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(client.read().status, 200);
    EXPECT_TRUE(client.is_closed()) << "HTTP/1.0 closes";
  }
  TestClient client(server.port());
  client.send("GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.read().headers["connection"], "keep-alive");
  client.send("HEAD /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read(false).headers["content-length"], "5") << "of the body that GET would bring";
  client.send("POST /rerank HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(client.read().status, 100);
  client.send(body);
  EXPECT_EQ(client.read().status, 200);
  client.send("POST /rerank HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : body) client.send(std::string("1\r\n") + c + "\r\n");
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.read().status, 200);
}

TEST(Server, RefusesWhatIsNoRequestAndGoesOn) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  TestServer server(options);
  const std::string deep(100, '['), post = "POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  const std::pair<std::string, int> cases[] = {
      {"\x16\x03\x01 no TLS here\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {post + "1001\r\n\r\n", 413},
      {post + "2\r\nContent-Length: 3\r\n\r\n{}", 400},
      {"POST /rerank HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"GET /" + std::string(40'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
  };
  for (const auto& [bytes, status] : cases) {
    TestClient client(server.port());
    client.send(bytes);
    EXPECT_EQ(client.read().status, status) << bytes.substr(0, 100);
    EXPECT_TRUE(client.is_closed());
  }
  TestClient client(server.port());
  for (const std::string& body :
       {std::string("{"), deep, std::string("[1]"), std::string("\xff"), std::string(R"({"query":1})"),
        std::string(R"({"query":"q","texts":"t"})"), std::string()}) {
    const Response response = client.post("/rerank", body);
    EXPECT_TRUE(response.status == 400 || response.status == 422) << response.status << " for " << body;
  }
  EXPECT_EQ(client.get("/rerank").status, 405);
  EXPECT_EQ(client.post("/rerank", Workload(1).body()).status, 200) << "on the same connection";
}

TEST(Server, WaitsForNobodyForever) {
  TestServer server(impatient(), {}, true);
  TestClient idle(server.port()), slow_head(server.port()), slow_body(server.port());
  slow_head.send("GET / HTTP/1.1\r\nHost");
  slow_body.send("POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_EQ(slow_head.read().status, 408);
  EXPECT_EQ(slow_body.read().status, 408);
  EXPECT_TRUE(idle.is_closed());
}

TEST(Server, WantsAKeyForAllButHealth) {
  const auto file = std::filesystem::temp_directory_path() / ("keys-" + std::to_string(getpid()));
  std::ofstream(file) << "first\n";
  ServerOptions options;
  options.key_file = file;
  TestServer server(options);
  const std::string body = Workload(1).body();
  const auto status = [&](const std::string& headers) {
    return TestClient(server.port()).post("/rerank", body, headers).status;
  };
  EXPECT_EQ(status(""), 401);
  EXPECT_EQ(status("Authorization: Bearer second\r\n"), 401);
  EXPECT_EQ(status("Authorization: Bearer first\r\n"), 200);
  EXPECT_EQ(status("Authorization: first\r\n"), 200);
  for (const char* path : {"/metrics", "/info", "/v1/models", "/no/such/path"})
    EXPECT_EQ(TestClient(server.port()).get(path).status, 401) << path;
  for (const char* path : {"/health", "/health/live", "/health/ready", "/tei/health"})
    EXPECT_EQ(TestClient(server.port()).get(path).status, 200) << path;
  {
    TestClient large(server.port());
    large.send("POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n");
    EXPECT_EQ(large.read().status, 401) << "before the body is read";
  }
  std::ofstream(file) << "second\n";
  server.server().reload();
  TestServer::wait_until([&] { return status("Authorization: Bearer second\r\n") == 200; });
  EXPECT_EQ(status("Authorization: Bearer first\r\n"), 401);
  std::ofstream(file) << "";
  server.server().reload();
  EXPECT_EQ(status("Authorization: Bearer second\r\n"), 200) << "a file without keys changes nothing";
  EXPECT_EQ(server.log().find("second"), std::string::npos);
  std::filesystem::remove(file);
}

TEST(Server, LetsPagesOfOtherOriginsInOnlyWhenTold) {
  const std::string preflight =
      "OPTIONS /rerank HTTP/1.1\r\nHost: a\r\nOrigin: https://x.org\r\nAccess-Control-Request-Method: POST\r\n\r\n";
  TestServer closed;
  TestClient client(closed.port());
  client.send(preflight);
  EXPECT_EQ(client.read().status, 405);
  Response response = client.post("/rerank", Workload(1).body(), "Origin: https://x.org\r\n");
  EXPECT_EQ(response.headers.count("access-control-allow-origin"), 0u);

  ServerOptions options;
  options.cors_origins = {"https://x.org"};
  TestServer open(options);
  TestClient other(open.port());
  other.send(preflight);
  response = other.read();
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers["access-control-allow-origin"], "https://x.org");
  response = other.post("/rerank", Workload(1).body(), "Origin: https://x.org\r\n");
  EXPECT_EQ(response.headers["access-control-allow-origin"], "https://x.org");
  response = other.post("/rerank", Workload(1).body(), "Origin: https://y.org\r\n");
  EXPECT_EQ(response.headers.count("access-control-allow-origin"), 0u);
}

// So many pairs that they take longer than everything that a test does meanwhile.
std::string huge() {
  static const std::string body = Workload(4000, 60).body();
  return body;
}

TEST(Server, TellsWhenARequestsTimeIsOver) {
  TestServer server;
  TestClient client(server.port());
  // Time to read the request, and not to score it.
  const std::string timeout = kSanitized ? "X-Request-Timeout: 5\r\n" : "X-Request-Timeout: 0.3\r\n";
  EXPECT_EQ(client.post("/rerank", huge(), timeout).status, 504);
  EXPECT_GT(server.metric("rerank_cancelled_pairs_total"), 0);
  EXPECT_EQ(server.metric("te_request_failure{err=\"timeout\"}"), 1);
  const int status = client.post("/rerank", Workload(1).body(), "X-Request-Timeout: soon\r\n").status;
  EXPECT_TRUE(status == 400 || status == 422) << status;
  EXPECT_EQ(client.post("/rerank", Workload(1).body(), "X-Request-Timeout: 60\r\n").status, 200);
}

TEST(Server, TellsWhatIsScoredInTime) {
  TestServer server;
  TestClient client(server.port());
  Json body = Json::parse(huge());
  body["allow_partial"] = true;
  body["documents"] = std::move(body["texts"]);
  body.erase("texts");
  // The shortest time in which anything is scored at all.
  Response response;
  for (double seconds = 0.1; response.status != 200 && seconds < 100; seconds *= 1.5) {
    body["timeout"] = seconds;
    response = client.post("/v1/rerank", body.dump());
    ASSERT_TRUE(response.status == 200 || response.status == 504) << response.body;
  }
  const Json answer = Json::parse(response.body);
  EXPECT_EQ(answer["partial"], true);
  ASSERT_GT(answer["results"].size(), 0u);
  EXPECT_EQ(answer["results"].size() + answer["unscored"].size(), 4000u);
  const Json& best = answer["results"][0];
  const Pair pair{body["query"].get_ref<const std::string&>(),
                  body["documents"][best["index"].get<std::size_t>()].get_ref<const std::string&>()};
  EXPECT_EQ(best["relevance_score"].get<float>(), static_cast<float>(offline().score({&pair, 1}).value()[0].value));
  EXPECT_EQ(server.metric("rerank_requests_in_flight"), 0);
  EXPECT_GT(server.metric("rerank_cancelled_pairs_total"), 0);
  // Nothing in time is no answer; all in time is the whole one.
  body["timeout"] = 0.001;
  EXPECT_EQ(client.post("/v1/rerank", body.dump()).status, 504);
  body["timeout"] = 60;
  body["documents"] = {"a", "b"};
  EXPECT_FALSE(Json::parse(client.post("/v1/rerank", body.dump()).body).contains("partial"));
}

TEST(Server, TellsThoseWhoComeTooManyToComeAgain) {
  ServerOptions options;
  options.max_queued_requests = 1;
  TestServer server(options);
  TestClient first(server.port()), second(server.port());
  first.send(TestClient::post_of("/rerank", huge()));
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") == 1; });
  const Response response = second.post("/rerank", Workload(1).body());
  EXPECT_EQ(response.status, 429);
  EXPECT_GE(std::stoi(response.headers.at("retry-after")), 1);
  first.leave();
  TestServer::wait_until([&] { return second.post("/rerank", Workload(1).body()).status == 200; });
}

TEST(Server, StopsWorkThatNobodyWaitsFor) {
  TestServer server;
  TestClient leaves(server.port()), stays(server.port());
  leaves.send(TestClient::post_of("/rerank", huge()));
  TestServer::wait_until([&] { return server.metric("te_queue_size") > 1000; });
  leaves.leave();
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") == 0; });
  EXPECT_GT(server.metric("rerank_cancelled_pairs_total"), 1000);
  TestServer::wait_until([&] { return server.metric("te_request_failure{err=\"dropped\"}") == 1; });
  const Workload work(5);
  EXPECT_EQ(Workload::scores_of(stays.post("/rerank", work.body())), work.offline(offline()));
}

TEST(Server, ASmallRequestOvertakesALargeOne) {
  TestServer server;
  TestClient large(server.port()), small(server.port());
  large.send(TestClient::post_of("/rerank", huge()));
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") == 1; });
  EXPECT_EQ(small.post("/rerank", Workload(3).body()).status, 200);
  EXPECT_EQ(server.metric("rerank_requests_in_flight"), 1) << "the large one is not done";
}

TEST(Server, HoldsNoMoreBodiesThanItMay) {
  ServerOptions options;
  options.max_held_bytes = 10'000;
  options.max_body_bytes = 9'000;
  TestServer server(options);
  TestClient first(server.port()), second(server.port()), chunked(server.port());
  const std::string post = "POST /rerank HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n{";
  first.send(post);
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") == 8000; });
  second.send(post);
  const Response response = second.read();
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.count("retry-after"), 1u);
  chunked.send("POST /rerank HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" +
               std::string(4096, ' '));
  EXPECT_EQ(chunked.read().status, 429);
  first.leave();
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") == 0; });
}

TEST(Server, HoldsNoMoreDocumentsThanItMay) {
  ServerOptions options;
  options.max_held_bytes = 3'000'000;
  options.max_body_bytes = 1'000'000;  // leaves memory for 7812 pairs
  TestServer server(options);
  TestClient first(server.port()), second(server.port());
  const auto body = [](std::size_t documents, const std::string& document) {
    return Json{{"query", "q"}, {"documents", std::vector<std::string>(documents, document)}}.dump();
  };
  const Response many = first.post("/rerank", body(8000, ""));
  EXPECT_EQ(many.status, 413) << many.body;
  Json chunks{{"query", "q"}, {"documents", {""}}, {"chunk_tokens", 1}};
  std::string words;
  for (int i = 0; i < 9000; ++i) words += "a ";
  chunks["documents"] = {words};
  EXPECT_EQ(first.post("/rerank", chunks.dump()).status, 413);
  // One that takes most of it, and another one that has to wait.
  std::string long_text;
  for (int i = 0; i < 60; ++i) long_text += "bamboo ";
  first.send(TestClient::post_of("/rerank", body(2000, long_text)));
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") > 1'200'000; });
  first.send(" ");
  const Response response = second.post("/rerank", body(7000, "short"));
  EXPECT_EQ(response.status, 429) << response.body.substr(0, 200);
  EXPECT_EQ(response.headers.count("retry-after"), 1u);
  EXPECT_EQ(second.post("/rerank", body(100, "short")).status, 200) << "small ones always fit";
  first.leave();
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") == 0; });
  EXPECT_EQ(second.post("/rerank", body(7000, "")).status, 200);
}

// Whoever asks for much and does not read it: what waits for them is counted, and in the end they are left.
TEST(Server, HoldsNoMoreAnswersThanItMay) {
  ServerOptions options;
  options.max_held_bytes = options.max_body_bytes = 40'000'000;
  options.transfer_timeout = std::chrono::milliseconds(500);
  TestServer server(options);
  std::string words;
  for (int i = 0; i < 450'000; ++i) words += "a ";
  const std::string request = TestClient::post_of("/tokenize", Json{{"inputs", words}}.dump());
  TestClient slow(server.port()), other(server.port());
  slow.send(request);  // about 25 MB
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") > 10'000'000; });
  other.send(request);
  EXPECT_EQ(other.read().status, 429);
  EXPECT_EQ(other.post("/rerank", Workload(2).body()).status, 200);
  slow.leave();
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") == 0; });
  TestClient again(server.port());
  again.send(request);
  EXPECT_GT(again.read().body.size(), 20'000'000u);
}

// A client that asks for megabytes and reads none of them is not waited for as long as a slow one, which the answer's
// size would allow 25 minutes.
TEST(Server, LeavesWhoeverReadsNothing) {
  ServerOptions options;
  options.transfer_timeout = std::chrono::milliseconds(100);
  TestServer server(options);
  std::string words;
  for (int i = 0; i < 450'000; ++i) words += "a ";
  TestClient deaf(server.port());
  deaf.send(TestClient::post_of("/tokenize", Json{{"inputs", words}}.dump()));  // about 25 MB
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") > 10'000'000; });
  TestServer::wait_until([&] { return server.metric("rerank_held_body_bytes") == 0; });
  TestServer::wait_until([&] { return server.metric("rerank_connections") <= 1; });
}

// The same of a stream: what the client does not read does not gather.
TEST(Server, LeavesWhoeverReadsNothingOfAStream) {
  ServerOptions options;
  options.transfer_timeout = std::chrono::milliseconds(100);
  TestServer server(options);
  TestClient deaf(server.port());
  const int little = 4096;
  setsockopt(deaf.descriptor(), SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
  const std::string long_text(20'000, 'x');  // one unknown word: soon scored, and repeated in its event
  Json body{{"query", "q"}, {"stream", true}, {"return_documents", true}};
  body["documents"] = std::vector<std::string>(1000, long_text);
  deaf.send(TestClient::post_of("/v1/rerank", body.dump()));
  TestServer::wait_until([&] { return server.metric("te_request_failure{err=\"dropped\"}") == 1; });
  EXPECT_EQ(server.metric("rerank_requests_in_flight"), 0);
  EXPECT_EQ(server.metric("rerank_held_body_bytes"), 0);
  EXPECT_GT(server.metric("rerank_cancelled_pairs_total"), 0);
}

// Tokenizing megabytes takes a thread for seconds; a request that only wants to be read has one all the same.
TEST(Server, LongTextsHoldUpNobody) {
  TestServer server;
  std::string words;
  for (int i = 0; i < (kSanitized ? 100'000 : 450'000); ++i) words += "a ";
  const std::string tokenize = TestClient::post_of("/tokenize", Json{{"inputs", words}}.dump());
  std::vector<std::unique_ptr<TestClient>> patient;
  for (int i = 0; i < 12; ++i) {
    patient.push_back(std::make_unique<TestClient>(server.port()));
    patient.back()->send(tokenize);
  }
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") >= 8; });
  TestClient quick(server.port());
  EXPECT_EQ(quick.post("/rerank", Workload(2).body()).status, 200);
  EXPECT_GT(server.metric("rerank_requests_in_flight"), 0) << "the long ones are not done";
}

TEST(Server, AnswersWhatItHasAcceptedBeforeItEnds) {
  auto server = std::make_unique<TestServer>();
  const Workload work(kSanitized ? 40 : 200, 30);
  const std::vector<float> expected = work.offline(offline());
  TestClient busy(server->port()), idle(server->port());
  busy.send(TestClient::post_of("/rerank", work.body()));
  TestServer::wait_until([&] { return server->metric("rerank_requests_in_flight") == 1; });
  auto ended = std::async(std::launch::async, [&] { return server->stop(); });
  Response response = busy.read();
  EXPECT_EQ(Workload::scores_of(response), expected);
  EXPECT_EQ(response.headers["connection"], "close");
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(ended.get().ok());
}

TEST(Server, GivesUpWhatTakesTooLongToEnd) {
  ServerOptions options;
  options.drain_timeout = std::chrono::milliseconds(50);
  TestServer server(options);
  TestClient client(server.port());
  client.send(TestClient::post_of("/rerank", huge()));
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") == 1; });
  EXPECT_FALSE(server.stop().ok());
  EXPECT_EQ(client.read().status, 0);
}

// A model that is loaded when the test says so.
struct Gate {
  std::promise<void> promise;
  std::shared_future<void> open{promise.get_future()};
  ModelChoice model(const std::string& name) const {
    return {name,
            name,
            [open = open] {
              open.wait();
              return Engine::load_embedded({.threads = 1});
            },
            {}};
  }
};

TEST(Server, SaysThatItIsLoading) {
  Gate gate;
  TestServer server({}, {gate.model("late")}, false);
  TestClient client(server.port());
  EXPECT_EQ(client.get("/health/live").status, 200);
  EXPECT_EQ(client.get("/health/ready").status, 503);
  EXPECT_EQ(client.get("/health").status, 503);
  const Response response = client.post("/rerank", Workload(1).body());
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.count("retry-after"), 1u);
  gate.promise.set_value();
  TestServer::wait_until([&] { return client.get("/health/ready").status == 200; });
  EXPECT_EQ(client.get("/health").status, 200);
  EXPECT_EQ(client.post("/rerank", Workload(1).body()).status, 200);
}

TEST(Server, LoadsALazyModelWhenItIsAskedFor) {
  Gate gate;
  ServerOptions options;
  options.lazy = true;
  TestServer server(options, {gate.model("late"), embedded("other")});
  TestClient waits(server.port()), leaves(server.port());
  EXPECT_EQ(server.metric("rerank_model_ready{model=\"late\"}"), 0);
  waits.send(TestClient::post_of("/rerank", Workload(2).body()));
  leaves.send(TestClient::post_of("/rerank", Workload(2).body()));
  gate.promise.set_value();
  leaves.leave();
  EXPECT_EQ(waits.read().status, 200);
  EXPECT_EQ(server.metric("rerank_model_ready{model=\"late\"}"), 1);
  EXPECT_EQ(server.metric("rerank_model_ready{model=\"other\"}"), 0) << "nobody has asked for it";
}

TEST(Server, WhoWaitsForALazyModelHasAPlaceAndADeadline) {
  Gate gate;
  ServerOptions options;
  options.lazy = true;
  options.max_queued_requests = 1;
  TestServer server(options, {gate.model("late")});
  TestClient waits(server.port()), second(server.port());
  EXPECT_EQ(second.post("/rerank", Workload(1).body(), "X-Request-Timeout: 0.05\r\n").status, 504);
  waits.send(TestClient::post_of("/rerank", Workload(2).body()));
  TestServer::wait_until([&] { return server.metric("rerank_requests_in_flight") == 1; });
  const Response response = second.post("/rerank", Workload(1).body());
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.count("retry-after"), 1u);
  gate.promise.set_value();
  EXPECT_EQ(waits.read().status, 200);
  EXPECT_EQ(second.post("/rerank", Workload(1).body()).status, 200);
  EXPECT_EQ(server.metric("te_request_count{method=\"batch\"}"), 1) << "counted once, though read twice";
}

TEST(Server, TriesALazyModelAgain) {
  std::atomic<int> attempts{0};
  const ModelChoice flaky = {"flaky",
                             "flaky",
                             [&attempts]() -> Result<Engine> {
                               if (++attempts == 1) return Error{Error::Code::kIo, "the disk is away", "flaky", "wait"};
                               return Engine::load_embedded({.threads = 1});
                             },
                             {}};
  for (const bool is_patient : {true, false}) {
    attempts = 0;
    ServerOptions options;
    options.lazy = true;
    options.retry_after = is_patient ? std::chrono::hours(1) : std::chrono::milliseconds(0);
    TestServer server(options, {flaky});
    TestClient client(server.port());
    EXPECT_EQ(client.post("/rerank", Workload(1).body()).status, 503);
    EXPECT_EQ(client.post("/rerank", Workload(1).body()).status, is_patient ? 503 : 200);
    EXPECT_EQ(client.post("/rerank", Workload(1).body()).status, is_patient ? 503 : 200);
    EXPECT_EQ(attempts, is_patient ? 1 : 2);
  }
}

TEST(Server, HasSeveralModelsByName) {
  TestServer server({}, {embedded("first"), embedded("second")});
  TestClient client(server.port());
  const Response models = client.get("/v1/models");
  EXPECT_NE(models.body.find("\"first\""), std::string::npos);
  EXPECT_NE(models.body.find("\"second\""), std::string::npos);
  const auto body = [](const char* model) {
    return Json{{"model", model}, {"query", "q"}, {"documents", {"a", "b"}}}.dump();
  };
  EXPECT_EQ(client.post("/v1/rerank", body("second")).status, 200);
  EXPECT_EQ(client.post("/v1/rerank", body("third")).status, 404);
}

TEST(Server, EndsWhenAModelCannotBeLoaded) {
  const ModelChoice broken{"broken",
                           "broken",
                           []() -> Result<Engine> {
                             return Error{Error::Code::kCorrupt, "is broken", "x", ""};
                           },
                           {}};
  TestServer server({}, {broken}, false);
  const Status status = server.wait_for_end();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().what, "is broken");
  EXPECT_TRUE(server.failed_to_load());
}

TEST(Server, SaysWhatItCannotListenOn) {
  TestServer server;
  ServerOptions options;
  options.log_descriptor = -1;
  options.port = server.port();
  EXPECT_FALSE(Server::make(options, {embedded()}).ok()) << "taken";
  options.port = 0;
  options.host = "256.0.0.1";
  EXPECT_FALSE(Server::make(options, {embedded()}).ok());
  options.host = "127.0.0.1";
  options.certificate_file = "/no/such/file";
  EXPECT_FALSE(Server::make(options, {embedded()}).ok()) << "a certificate without its key";
}

}  // namespace
}  // namespace rerank::server
