// Whose pairs go into the next engine call.
//
// Each request has its turn, and in a turn one batch of tokens. Small requests, which need no more than that, share a
// call. A large one has its calls for itself, so that nobody waits for pairs that are not his: there is one more call
// for small requests while large ones hold all, and a large request spends its turn in short calls while small ones
// come. Which pairs go together changes when they are answered, never their scores.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/job.h"
#include "rerank/engine.h"

namespace rerank::server {

// A request's pairs, and who wants to hear of them. The functions are called from the queue's threads; none is begun
// after ScoreQueue::cancel() has returned true.
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
  std::size_t batch_tokens = 4096;  // of an engine call and of a turn, estimated from the bytes of the texts
  std::size_t short_tokens = 512;   // of a large request's call while small ones come
  std::size_t batch_pairs = 4096;
  std::size_t pair_tokens = 512;  // that a longer pair is cut to, where a request does not say
  int calls = 2;                  // at a time: while one ends, another keeps the workers busy
};

// A task in the queue.
struct ScoreEntry {
  explicit ScoreEntry(ScoreTask given) : task(std::move(given)), scores(task.pairs.size()) {}
  bool waits() const { return next < task.pairs.size(); }

  ScoreTask task;
  std::vector<std::optional<Result<Score>>> scores;  // [pairs]
  std::size_t next = 0;                              // the first pair that is not with the engine
  std::size_t missing = scores.size();               // pairs without a score
  std::size_t turn = 0;                              // tokens that are left of its turn
  bool is_large = false;                             // needs more than the turn that it is in
  bool over = false;                                 // done or cancelled
  std::chrono::steady_clock::time_point submitted = std::chrono::steady_clock::now();
  std::optional<std::chrono::steady_clock::time_point> started;  // when its first pairs went to the engine
};

// What goes to the engine in one call.
struct ScoreBatch {
  struct Item {
    std::shared_ptr<ScoreEntry> entry;
    std::size_t pair_idx;
    bool settled = false;
  };
  std::vector<Item> items;
  std::vector<Pair> pairs;  // [items], views into the entries' texts
  std::vector<std::shared_ptr<ScoreEntry>> entries;
  std::size_t tokens = 0, bytes = 0;  // tokens: as estimated
  bool is_large = false;              // of one large request
  std::stop_source stop;
};

// Not safe to use from several threads: the queue has a lock.
class ScoreTurns {
 public:
  explicit ScoreTurns(const ScoreQueueOptions& options);

  void add(std::shared_ptr<ScoreEntry> entry);
  // What waits of it is not taken any more.
  void drop(const std::shared_ptr<ScoreEntry>& entry);

  // Whether there are pairs that wait, and a call for them.
  bool can_take() const { return next() != turns_.end(); }
  ScoreBatch take();
  // The call with that batch is over.
  void end(const ScoreBatch& batch);
  // What texts of so many bytes have become.
  void learn(std::size_t bytes, std::size_t tokens);

  std::size_t waiting_pairs() const { return waiting_pairs_; }
  std::size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  using Turns = std::deque<std::shared_ptr<ScoreEntry>>;
  Turns::const_iterator next() const;
  void begin_turn(ScoreEntry& entry) const;
  void take_large(Turns::const_iterator at, ScoreBatch& batch);
  void take_small(Turns::const_iterator at, ScoreBatch& batch);
  void take_pairs(const std::shared_ptr<ScoreEntry>& entry, std::size_t room, ScoreBatch& batch);
  static std::size_t bytes_of(const ScoreEntry& entry, std::size_t pair_idx);
  std::size_t tokens_of(const ScoreEntry& entry, std::size_t pair_idx) const;
  std::size_t calm() const;

  ScoreQueueOptions options_;
  Turns turns_;  // those with pairs that wait, in the order of their turns
  int running_large_ = 0, running_small_ = 0;
  std::size_t calm_tokens_;  // of large requests' calls since a small request's call began, up to calm()
  std::size_t waiting_pairs_ = 0, waiting_bytes_ = 0;
  double tokens_per_byte_ = 0.3;  // of the texts seen so far
};

// Whether pairs with these options can go into one engine call. Functions and stop play no part.
bool same_settings(const ScoreOptions& a, const ScoreOptions& b);

}  // namespace rerank::server
