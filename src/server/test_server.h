// A server of the tests' own, on a free port of this machine, that runs as long as the object lives.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/server.h"
#include "server/test_client.h"

namespace rerank::server::testing {

inline ModelChoice embedded(const std::string& name = "embedded") {
  return {name, "embedded", [] { return Engine::load_embedded({.threads = 2}); }, {}};
}

// The engine of that model, for what a server should say.
inline const Engine& offline() {
  static const Engine engine = Engine::load_embedded({.threads = 1}).value();
  return engine;
}

class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}, std::vector<ModelChoice> models = {}, bool wait = true)
      : log_(memfd_create("log", MFD_CLOEXEC)) {
    options.port = 0;
    options.log_descriptor = log_;
    options.version = "test";
    if (models.empty()) models.push_back(embedded());
    auto made = Server::make(std::move(options), std::move(models));
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
    if (!made.ok()) return;
    server_ = std::move(made).value();
    thread_ = std::thread([this] { status_ = server_->run(); });
    if (wait) wait_until([this] { return TestClient(port()).get("/health/ready").status == 200; });
  }
  ~TestServer() {
    (void)stop();
    close(log_);
  }

  std::uint16_t port() const { return server_->port(); }
  Server& server() { return *server_; }

  // Drains and ends; what run() returned.
  Status stop() {
    if (thread_.joinable()) {
      server_->stop();
      thread_.join();
      failed_to_load_ = server_->failed_to_load();
    }
    server_.reset();  // and with it the log is complete
    return status_;
  }
  // The same without asking it to end.
  Status wait_for_end() {
    thread_.join();
    failed_to_load_ = server_->failed_to_load();
    return status_;
  }
  bool failed_to_load() const { return failed_to_load_; }

  std::string log() const {
    std::string text(1 << 22, '\0');
    const ssize_t size = pread(log_, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }

  // The value of a line of /metrics.
  double metric(const std::string& name, const std::string& headers = "") const {
    const std::string text = "\n" + TestClient(port()).get("/metrics", headers).body;
    const std::size_t at = text.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 2);
  }

  static void wait_until(const std::function<bool()>& holds) {
    for (int tries = 0; tries < 3000; ++tries) {
      if (holds()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << "waited in vain";
  }

 private:
  int log_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  Status status_;
  bool failed_to_load_ = false;
};

// A request of so many passages, and its answer's scores as the engine gives them.
struct Workload {
  std::string query = "what is a panda?";
  std::vector<std::string> passages;

  explicit Workload(std::size_t count, std::size_t words = 8, std::size_t seed = 0) {
    for (std::size_t i = 0; i < count; ++i) {
      std::string passage = "passage " + std::to_string(seed) + "-" + std::to_string(i) + ":";
      for (std::size_t n = 0; n < words; ++n) passage += n % 3 == i % 3 ? " panda" : " bamboo forest";
      passages.push_back(passage);
    }
  }
  // As text-embeddings-inference has it: the answer is a list of {"index", "score"}.
  std::string body() const {
    return nlohmann::json{{"query", query}, {"texts", passages}, {"raw_scores", true}}.dump();
  }
  std::vector<float> offline(const Engine& engine) const {
    std::vector<Pair> pairs;
    for (const std::string& passage : passages) pairs.push_back({query, passage});
    std::vector<float> scores;
    const auto scored = engine.score(pairs);
    EXPECT_TRUE(scored.ok());
    if (scored.ok())
      for (const Score& score : scored.value()) scores.push_back(static_cast<float>(score.value));
    return scores;
  }
  static std::vector<float> scores_of(const Response& response) {
    const auto list = nlohmann::json::parse(response.body, nullptr, false);
    if (!list.is_array()) return {};
    std::vector<float> scores(list.size());
    for (const auto& item : list) scores.at(item.at("index")) = item.at("score").get<float>();
    return scores;
  }
};

}  // namespace rerank::server::testing
