// The pairs of many requests, merged into calls of one engine.
//
// Each request has its turn, and in a turn up to one batch of tokens: a request of 5,000 pairs lets a small one through
// after one batch, and small ones share a batch. Which pairs go together changes when they are answered, never their
// scores.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dialects/job.h"
#include "rerank/engine.h"

namespace rerank::server {

struct Metrics;

// A request's pairs, and who wants to hear of them. The functions are called from the queue's threads; none is begun
// after cancel() has returned true.
struct ScoreTask {
  std::vector<std::string> texts;
  std::vector<dialects::ScoreJob::PairOfTexts> pairs;  // at least one
  ScoreOptions options;                                // without functions and stop
  // One Result a pair, and the time until the first of them went to the engine. Called once.
  std::function<void(std::vector<Result<Score>> scores, double queue_seconds)> done;
  // Of a request that wants to hear each pair as soon as it is known; may be empty.
  std::function<void(std::size_t pair_idx, const Result<Score>& score)> on_score = {};
  std::function<void(std::size_t pair_idx, std::string_view text)> on_reasoning = {};
};

struct ScoreQueueOptions {
  std::size_t batch_tokens = 4096;  // of an engine call, estimated from the bytes of the texts
  std::size_t batch_pairs = 4096;
  std::size_t pair_tokens = 512;  // that a longer pair is cut to, where a request does not say
  int calls = 2;                  // at a time: while one ends, another keeps the workers busy
};

// Engine::score_each, or what a test has in its place.
using ScoreEach =
    std::function<Result<std::vector<Result<Score>>>(std::span<const Pair> pairs, const ScoreOptions& options)>;

class ScoreQueue {
 public:
  // `metrics` is borrowed.
  ScoreQueue(ScoreEach score_each, const ScoreQueueOptions& options, Metrics& metrics);
  ~ScoreQueue();  // stops the calls in flight; tasks that are not done are dropped without a word

  class Entry;  // a task in the queue
  using Ticket = std::shared_ptr<Entry>;
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
  struct Batch;
  void work();
  void take_batch(Batch& batch);
  void take_pairs(Entry& entry, Batch& batch, std::size_t& room);
  void run(Batch& batch);
  void give_up(const Ticket& ticket);
  void settle(Batch& batch, std::size_t item_idx, const Result<Score>& score);
  std::size_t bytes_of(const Entry& entry, std::size_t pair_idx) const;
  std::size_t tokens_of(const Entry& entry, std::size_t pair_idx) const;

  ScoreEach score_each_;
  ScoreQueueOptions options_;
  Metrics& metrics_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Ticket> turns_;  // those with pairs that wait, in the order of their turns
  std::vector<Batch*> running_;
  std::size_t waiting_pairs_ = 0, waiting_bytes_ = 0;
  double tokens_per_byte_ = 0.3;  // of the texts seen so far
  double bytes_per_second_ = 0;   // of the engine, lately
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Whether pairs with these options can go into one engine call. Functions and stop play no part.
bool same_settings(const ScoreOptions& a, const ScoreOptions& b);

}  // namespace rerank::server
