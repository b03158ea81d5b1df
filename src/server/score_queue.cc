#include "server/score_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "engine/pair_encoding.h"
#include "server/metrics.h"

namespace rerank::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kNew = 0.1;  // how much a new measurement counts beside the old ones

double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// The engine names a pair by its place in the call; the client knows its own.
Result<Score> renumbered(Result<Score> score, std::size_t from, std::size_t to) {
  if (!score.ok()) renumber_pair(score.error(), from, to);
  return score;
}

}  // namespace

ScoreQueue::ScoreQueue(ScoreEach score_each, const ScoreQueueOptions& options, Metrics& metrics)
    : score_each_(std::move(score_each)), options_(options), metrics_(metrics), turns_(options) {
  for (int i = 0; i < options_.calls + 1; ++i) threads_.emplace_back([this] { work(); });
}

ScoreQueue::~ScoreQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (ScoreBatch* batch : running_) {
      for (const Ticket& entry : batch->entries) entry->over = true;
      batch->stop.request_stop();
    }
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

ScoreQueue::Ticket ScoreQueue::submit(ScoreTask task) {
  auto entry = std::make_shared<ScoreEntry>(std::move(task));
  {
    const std::lock_guard lock(mutex_);
    turns_.add(entry);
  }
  wake_.notify_one();
  return entry;
}

bool ScoreQueue::cancel(const Ticket& ticket) {
  const std::lock_guard lock(mutex_);
  if (ticket->over) return false;
  give_up(ticket);
  return true;
}

std::optional<ScoreQueue::Part> ScoreQueue::take(const Ticket& ticket) {
  const std::lock_guard lock(mutex_);
  if (ticket->over) return std::nullopt;
  give_up(ticket);
  const double queued = seconds(ticket->started.value_or(Clock::now()) - ticket->submitted);
  return Part{std::move(ticket->scores), queued};
}

// Under the lock.
void ScoreQueue::give_up(const Ticket& ticket) {
  ticket->over = true;
  metrics_.cancelled_pairs.add(ticket->missing);
  turns_.drop(ticket);
  for (ScoreBatch* batch : running_)
    if (std::all_of(batch->entries.begin(), batch->entries.end(), [](const Ticket& entry) { return entry->over; }))
      batch->stop.request_stop();
}

std::size_t ScoreQueue::waiting_pairs() const {
  const std::lock_guard lock(mutex_);
  return turns_.waiting_pairs();
}

double ScoreQueue::waiting_seconds() const {
  const std::lock_guard lock(mutex_);
  return bytes_per_second_ > 0 ? static_cast<double>(turns_.waiting_bytes()) / bytes_per_second_ : 0;
}

void ScoreQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || turns_.can_take(); });
    if (stopping_) return;
    ScoreBatch batch = turns_.take();
    running_.push_back(&batch);
    if (turns_.can_take()) wake_.notify_one();  // it may be this call that opens the way for a small request's
    lock.unlock();
    run(batch);
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), &batch));
    turns_.end(batch);
  }
}

void ScoreQueue::run(ScoreBatch& batch) {
  metrics_.batch_pairs.observe(static_cast<double>(batch.items.size()));
  metrics_.batch_tokens.observe(static_cast<double>(batch.tokens));
  metrics_.batch_fill.observe(static_cast<double>(batch.tokens) / static_cast<double>(options_.batch_tokens));
  ScoreOptions options = batch.entries.front()->task.options;
  options.stop = batch.stop.get_token();
  // What reasoning asks and tells while it runs.
  options.on_tokens = [&batch](std::uint64_t) { return !batch.stop.stop_requested(); };
  options.on_score = [this, &batch](std::size_t i, const Result<Score>& score) {
    settle(batch, i, score);
    return !batch.stop.stop_requested();
  };
  const auto wants_reasoning = [](const Ticket& entry) { return entry->task.on_reasoning != nullptr; };
  if (std::any_of(batch.entries.begin(), batch.entries.end(), wants_reasoning))
    options.on_reasoning = [this, &batch](std::size_t i, std::string_view text) {
      const ScoreBatch::Item& item = batch.items[i];
      std::unique_lock lock(mutex_);
      const bool is_wanted = !item.entry->over && item.entry->task.on_reasoning;
      lock.unlock();
      if (is_wanted) item.entry->task.on_reasoning(item.pair_idx, text);
      return !batch.stop.stop_requested();
    };

  const auto begin = Clock::now();
  const auto scores = score_each_(batch.pairs, options);
  const double took = seconds(Clock::now() - begin);
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    if (scores.ok() && scores.value()[i].ok()) tokens += scores.value()[i].value().tokens;
    settle(batch, i, scores.ok() ? scores.value()[i] : Result<Score>(scores.error()));
  }
  if (batch.stop.stop_requested() || tokens == 0 || batch.bytes == 0) return;
  const std::lock_guard lock(mutex_);
  turns_.learn(batch.bytes, tokens);
  const auto bytes = static_cast<double>(batch.bytes);
  const double speed = bytes / std::max(took, 1e-6) * static_cast<double>(running_.size());
  bytes_per_second_ = bytes_per_second_ > 0 ? bytes_per_second_ + kNew * (speed - bytes_per_second_) : speed;
}

// A pair's score is known; if it was the last one of its task, the task is done.
void ScoreQueue::settle(ScoreBatch& batch, std::size_t item_idx, const Result<Score>& given) {
  ScoreBatch::Item& item = batch.items[item_idx];
  ScoreEntry& entry = *item.entry;
  std::unique_lock lock(mutex_);
  if (std::exchange(item.settled, true) || entry.over) return;
  const Result<Score> score = renumbered(given, item_idx, item.pair_idx);
  entry.scores[item.pair_idx] = score;
  const bool is_done = --entry.missing == 0;
  entry.over = is_done;
  lock.unlock();
  if (entry.task.on_score) entry.task.on_score(item.pair_idx, score);
  if (!is_done) return;
  std::vector<Result<Score>> scores;
  scores.reserve(entry.scores.size());
  for (auto& result : entry.scores) scores.push_back(std::move(*result));
  entry.task.done(std::move(scores), seconds(*entry.started - entry.submitted));
}

}  // namespace rerank::server
