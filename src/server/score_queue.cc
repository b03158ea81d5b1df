#include "server/score_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stop_token>
#include <tuple>
#include <utility>

#include "engine/pair_encoding.h"
#include "server/metrics.h"

namespace rerank::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTemplateTokens = 4;  // about what a template adds to a pair
constexpr double kNew = 0.1;                // how much a new measurement counts beside the old ones

double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// The engine names a pair by its place in the call; the client knows its own.
Result<Score> renumbered(Result<Score> score, std::size_t from, std::size_t to) {
  if (!score.ok()) renumber_pair(score.error(), from, to);
  return score;
}

}  // namespace

class ScoreQueue::Entry {
 public:
  explicit Entry(ScoreTask given) : task(std::move(given)), scores(task.pairs.size()) {}

  ScoreTask task;
  std::vector<std::optional<Result<Score>>> scores;  // [pairs]
  std::size_t next = 0;                              // the first pair that is not with the engine
  std::size_t missing = scores.size();               // pairs without a score
  std::size_t turn = 0;                              // tokens that are left of its turn
  bool over = false;                                 // done or cancelled
  Clock::time_point submitted = Clock::now();
  std::optional<Clock::time_point> started;  // when its first pairs went to the engine
};

struct ScoreQueue::Batch {
  struct Item {
    Ticket entry;
    std::size_t pair_idx;
    bool settled = false;
  };
  std::vector<Item> items;
  std::vector<Pair> pairs;  // [items], views into the entries' texts
  std::vector<Ticket> entries;
  std::size_t tokens = 0, bytes = 0;  // tokens: as estimated
  std::stop_source stop;
};

// Names every member, so that a new one cannot be forgotten: this does not compile then.
bool same_settings(const ScoreOptions& a, const ScoreOptions& b) {
  const auto settings = [](const ScoreOptions& options) {
    const auto& [max_length, query_max_length, truncation, special_tokens_in_text, normalize, query_instruction,
                 query_instruction_format, passage_instruction, passage_instruction_format, prompt, cutoff_layers,
                 compress_ratio, compress_layers, heads, attention_softcap, top_logprobs, readout, max_new_tokens,
                 think_budget, verdict, rethink, ignore_stop, on_score, on_tokens, on_reasoning, share_prefixes, stop] =
        options;
    return std::tie(max_length, query_max_length, truncation, special_tokens_in_text, normalize, query_instruction,
                    query_instruction_format, passage_instruction, passage_instruction_format, prompt, cutoff_layers,
                    compress_ratio, compress_layers, heads, attention_softcap, top_logprobs, readout, max_new_tokens,
                    think_budget, verdict, rethink, ignore_stop, share_prefixes);
  };
  return settings(a) == settings(b);
}

ScoreQueue::ScoreQueue(ScoreEach score_each, const ScoreQueueOptions& options, Metrics& metrics)
    : score_each_(std::move(score_each)), options_(options), metrics_(metrics) {
  for (int i = 0; i < options_.calls; ++i) threads_.emplace_back([this] { work(); });
}

ScoreQueue::~ScoreQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Ticket& entry : turns_) entry->over = true;
    for (Batch* batch : running_) {
      for (const Ticket& entry : batch->entries) entry->over = true;
      batch->stop.request_stop();
    }
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

ScoreQueue::Ticket ScoreQueue::submit(ScoreTask task) {
  auto entry = std::make_shared<Entry>(std::move(task));
  {
    const std::lock_guard lock(mutex_);
    entry->turn = options_.batch_tokens;
    waiting_pairs_ += entry->task.pairs.size();
    for (std::size_t i = 0; i < entry->task.pairs.size(); ++i) waiting_bytes_ += bytes_of(*entry, i);
    turns_.push_back(entry);
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
  for (std::size_t i = ticket->next; i < ticket->task.pairs.size(); ++i) waiting_bytes_ -= bytes_of(*ticket, i);
  waiting_pairs_ -= ticket->task.pairs.size() - ticket->next;
  turns_.erase(std::remove(turns_.begin(), turns_.end(), ticket), turns_.end());
  for (Batch* batch : running_)
    if (std::all_of(batch->entries.begin(), batch->entries.end(), [](const Ticket& entry) { return entry->over; }))
      batch->stop.request_stop();
}

std::size_t ScoreQueue::waiting_pairs() const {
  const std::lock_guard lock(mutex_);
  return waiting_pairs_;
}

double ScoreQueue::waiting_seconds() const {
  const std::lock_guard lock(mutex_);
  return bytes_per_second_ > 0 ? static_cast<double>(waiting_bytes_) / bytes_per_second_ : 0;
}

std::size_t ScoreQueue::bytes_of(const Entry& entry, std::size_t pair_idx) const {
  const auto& pair = entry.task.pairs[pair_idx];
  return entry.task.texts[pair.query].size() + entry.task.texts[pair.passage].size();
}

std::size_t ScoreQueue::tokens_of(const Entry& entry, std::size_t pair_idx) const {
  const int asked = entry.task.options.max_length;
  const std::size_t most = asked > 0 ? static_cast<std::size_t>(asked) : options_.pair_tokens;
  const auto tokens = static_cast<std::size_t>(static_cast<double>(bytes_of(entry, pair_idx)) * tokens_per_byte_);
  return std::min(tokens + kTemplateTokens, most);
}

// Pairs of one task, as long as there is room in the batch and something left of the task's turn.
void ScoreQueue::take_pairs(Entry& entry, Batch& batch, std::size_t& room) {
  while (entry.next < entry.task.pairs.size() && entry.turn > 0 && batch.items.size() < options_.batch_pairs) {
    const std::size_t tokens = tokens_of(entry, entry.next);
    if (tokens > room && !batch.items.empty()) {
      room = 0;
      return;
    }
    const auto& pair = entry.task.pairs[entry.next];
    batch.pairs.push_back({entry.task.texts[pair.query], entry.task.texts[pair.passage]});
    batch.items.push_back({batch.entries.back(), entry.next});
    batch.tokens += tokens;
    const std::size_t bytes = bytes_of(entry, entry.next);
    batch.bytes += bytes;
    waiting_bytes_ -= bytes;
    --waiting_pairs_;
    ++entry.next;
    room -= std::min(tokens, room);
    entry.turn -= std::min(tokens, entry.turn);
  }
}

void ScoreQueue::take_batch(Batch& batch) {
  std::size_t room = options_.batch_tokens;
  const Ticket first = turns_.front();
  while (room > 0 && batch.items.size() < options_.batch_pairs) {
    const auto found = std::find_if(turns_.begin(), turns_.end(), [&](const Ticket& entry) {
      return entry == first || same_settings(entry->task.options, first->task.options);
    });
    if (found == turns_.end()) break;
    const Ticket entry = *found;
    batch.entries.push_back(entry);
    if (!entry->started) entry->started = Clock::now();
    take_pairs(*entry, batch, room);
    if (entry->next == entry->task.pairs.size()) {
      turns_.erase(found);
    } else if (entry->turn == 0) {
      entry->turn = options_.batch_tokens;
      turns_.erase(found);
      turns_.push_back(entry);
    }
  }
}

void ScoreQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !turns_.empty(); });
    if (stopping_) return;
    Batch batch;
    take_batch(batch);
    running_.push_back(&batch);
    lock.unlock();
    run(batch);
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), &batch));
  }
}

void ScoreQueue::run(Batch& batch) {
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
      const Batch::Item& item = batch.items[i];
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
  const auto bytes = static_cast<double>(batch.bytes);
  const double ratio = std::clamp(static_cast<double>(tokens) / bytes, 0.02, 2.0);
  tokens_per_byte_ += kNew * (ratio - tokens_per_byte_);
  const double speed = bytes / std::max(took, 1e-6) * static_cast<double>(running_.size());
  bytes_per_second_ = bytes_per_second_ > 0 ? bytes_per_second_ + kNew * (speed - bytes_per_second_) : speed;
}

// A pair's score is known; if it was the last one of its task, the task is done.
void ScoreQueue::settle(Batch& batch, std::size_t item_idx, const Result<Score>& given) {
  Batch::Item& item = batch.items[item_idx];
  Entry& entry = *item.entry;
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
