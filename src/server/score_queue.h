// The pairs of many requests, merged into calls of one engine. Whose are next is ScoreTurns' business; the calls, and
// who hears of their scores, are this one's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "rerank/engine.h"
#include "server/score_turns.h"

namespace rerank::server {

struct Metrics;

// Engine::score_each, or what a test has in its place.
using ScoreEach =
    std::function<Result<std::vector<Result<Score>>>(std::span<const Pair> pairs, const ScoreOptions& options)>;

class ScoreQueue {
 public:
  // `metrics` is borrowed.
  ScoreQueue(ScoreEach score_each, const ScoreQueueOptions& options, Metrics& metrics);
  ~ScoreQueue();  // stops the calls in flight; tasks that are not done are dropped without a word

  using Ticket = std::shared_ptr<ScoreEntry>;
  Ticket submit(ScoreTask task);
  // Its pairs are not computed any further. False if it was done, or cancelled, before. Not to be called from the
  // task's own functions.
  bool cancel(const Ticket& ticket);
  // The same, and what was scored until then, one a pair. Nothing if it was done, or cancelled, before.
  struct Part {
    std::vector<std::optional<Result<Score>>> scores;
    double queue_seconds = 0;
  };
  std::optional<Part> take(const Ticket& ticket);

  std::size_t waiting_pairs() const;  // not yet with the engine
  // How long what waits will take, as far as can be told from what was computed so far.
  double waiting_seconds() const;

 private:
  void work();
  void run(ScoreBatch& batch);
  void give_up(const Ticket& ticket);
  void settle(ScoreBatch& batch, std::size_t item_idx, const Result<Score>& score);

  ScoreEach score_each_;
  ScoreQueueOptions options_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  ScoreTurns turns_;
  std::vector<ScoreBatch*> running_;
  double bytes_per_second_ = 0;  // of the engine, lately
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rerank::server
