// A server that is asked for more than it can do: in time, in memory, or before it ends.
#include <gtest/gtest.h>

#include <future>

#include "server/test_server.h"
#include "support/sanitized.h"

namespace rerank::server {
namespace {

using rerank::testing::kSanitized;
using testing::offline;
using testing::Response;
using testing::TestClient;
using testing::TestServer;
using testing::Workload;
using Json = nlohmann::json;

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
  // A client that leaves right after its pairs began to wait is forgotten first and its pairs are given up next.
  TestServer::wait_until([&] { return server.metric("rerank_cancelled_pairs_total") > 1000; });
  EXPECT_EQ(server.metric("rerank_requests_in_flight"), 0);
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

}  // namespace
}  // namespace rerank::server
