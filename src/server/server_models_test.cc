// A server whose models are loaded late, one of several, or not at all.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "server/test_server.h"

namespace rerank::server {
namespace {

using testing::embedded;
using testing::Response;
using testing::TestClient;
using testing::TestServer;
using testing::Workload;
using Json = nlohmann::json;

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

}  // namespace
}  // namespace rerank::server
