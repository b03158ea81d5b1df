// A tiny language model behind the server, and the same model offline to compare with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "rerank/generate.h"
#include "server/test_server.h"
#include "support/tiny_causal.h"

namespace rerank::server::testing {

using rerank::testing::TinyCausal;
using Json = nlohmann::json;

template <class T>
T value_of(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message());
  return std::move(result).value();
}

// What a body of server-sent events holds.
struct Events {
  std::vector<Json> list;
  bool done = false;  // "[DONE]" was the last one

  explicit Events(const std::string& body) {
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t end = body.find("\n\n", at);
      const std::string event = body.substr(at, end - at);
      EXPECT_FALSE(done) << "after the end: " << event;
      EXPECT_EQ(event.substr(0, 6), "data: ");
      done = event == "data: [DONE]";
      if (!done) list.push_back(Json::parse(event.substr(6)));
      if (end == std::string::npos) break;
      at = end + 2;
    }
  }
};

class LlmServerTest : public ::testing::Test {
 protected:
  // Serves the checkpoint, and loads it a second time to compare with.
  void serve(const TinyCausal& checkpoint, const std::string& method, ServerOptions options = {}) {
    checkpoint.write(folder_);
    serve(folder_.path, method, std::move(options));
  }
  void serve(const std::filesystem::path& folder, const std::string& method, ServerOptions options = {}) {
    const EngineOptions how{.dtype = Dtype::kF32, .threads = 2, .method = method};
    server_ = std::make_unique<TestServer>(
        std::move(options),
        std::vector<ModelChoice>{{"tiny", folder.string(), [=] { return Engine::load(folder, how); }, {}}});
    engine_.emplace(value_of(Engine::load(folder, how)));
    if (auto made = engine_->generator(); made.ok()) generator_.emplace(std::move(made).value());
  }

  Response post(const std::string& path, const Json& body, const std::string& headers = "") const {
    return TestClient(server_->port()).post(path, body.dump(), headers);
  }
  std::vector<GeneratedText> write(const std::vector<std::string>& prompts, GenerateOptions options) const {
    options.skip_special_tokens = options.token_texts = true;
    const std::vector<std::string_view> views(prompts.begin(), prompts.end());
    std::vector<GeneratedText> texts;
    for (auto& text : value_of(generator_->generate(views, options))) texts.push_back(value_of(std::move(text)));
    return texts;
  }
  std::vector<Score> score(const std::string& query, const std::vector<std::string>& documents,
                           const ScoreOptions& options) const {
    std::vector<Pair> pairs;
    for (const std::string& document : documents) pairs.push_back({query, document});
    return value_of(engine_->score(pairs, options));
  }

  rerank::testing::TinyModel::Folder folder_;
  std::unique_ptr<TestServer> server_;
  std::optional<Engine> engine_;
  std::optional<TextGenerator> generator_;
};

}  // namespace rerank::server::testing
