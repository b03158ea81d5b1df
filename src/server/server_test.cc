#include "server/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "server/test_server.h"
#include "support/sanitized.h"

namespace rerank::server {
namespace {

using rerank::testing::kSanitized;
using testing::embedded;
using testing::offline;
using testing::Response;
using testing::TestClient;
using testing::TestServer;
using testing::Workload;
using Json = nlohmann::json;

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
