// The models that one server answers for: loaded in the background, each once, and warm before they are called ready.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dialects/job.h"
#include "rerank/engine.h"
#include "rerank/generate.h"
#include "server/generate_queue.h"
#include "server/score_queue.h"

namespace rerank::server {

struct ModelChoice {
  std::string name;    // that clients give
  std::string source;  // what it is loaded from, for messages; the same source is loaded once
  std::function<Result<Engine>()> load;
  ScoreOptions defaults = {};
};

// A model that is ready, with the queues in front of it.
struct LoadedModel {
  LoadedModel(Engine loaded, std::size_t batch_tokens, Metrics& metrics);

  Engine engine;
  ModelTokenizer tokenizer;
  std::optional<TextGenerator> generator;  // of a model that has a vocabulary to choose from
  // The last members: their threads use the ones above.
  std::unique_ptr<GenerateQueue> texts;  // none without a generator
  std::unique_ptr<ScoreQueue> scores;
};

class Models {
 public:
  // Up front, or each when it is first asked for. `batch_tokens` 0: by the number of an engine's threads.
  // `retry_after`: so long one that could not be loaded stays refused, before a request makes it try again.
  Models(std::vector<ModelChoice> choices, dialects::Catalog catalog, bool lazy, std::size_t batch_tokens,
         std::chrono::milliseconds retry_after, Metrics& metrics);
  ~Models();

  // Begins to load. `on_loaded` hears of each, from a thread of its own, with the error of one that cannot be loaded.
  void start(std::function<void(std::size_t model, const Status& status, double seconds)> on_loaded);

  // What can be said of all models right now. Immutable: another one takes its place.
  std::shared_ptr<const dialects::Catalog> catalog() const;
  // Null while it is not loaded; then it stays as long as this object.
  LoadedModel* find(std::size_t model) const;
  // All that was up front is ready.
  bool all_ready() const;

  // Calls back once the model is there or cannot be: at once, or from the thread that loads. Begins to load a lazy one,
  // and one whose last attempt is long enough ago.
  void when_loaded(std::size_t model, std::function<void(const Status& status)> call);

  std::size_t waiting_pairs() const;
  // What the engines have done, a line a model.
  void write_metrics(std::string& out) const;

  // Ends the work of all models, and waits for one that is being loaded. Nobody may submit any more.
  void stop();

 private:
  enum class State { kUnloaded, kAsked, kReady, kFailed };
  struct Slot {
    ModelChoice choice;
    State state = State::kUnloaded;
    Status status;
    std::chrono::steady_clock::time_point failed_at;
    std::shared_ptr<LoadedModel> model;
    std::vector<std::function<void(const Status&)>> waiting;
  };
  void work();
  std::vector<std::pair<std::string, std::shared_ptr<LoadedModel>>> loaded() const;
  Result<std::shared_ptr<LoadedModel>> load(const ModelChoice& choice) const;
  void finish(std::size_t slot_idx, Result<std::shared_ptr<LoadedModel>> loaded);

  bool lazy_;
  std::size_t batch_tokens_;
  std::chrono::milliseconds retry_after_;
  Metrics& metrics_;
  std::function<void(std::size_t, const Status&, double)> on_loaded_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const dialects::Catalog> catalog_;
  std::vector<Slot> slots_;
  std::deque<std::size_t> asked_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rerank::server
