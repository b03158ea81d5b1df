#include "server/score_turns.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace rerank::server {
namespace {

constexpr std::size_t kTemplateTokens = 4;  // about what a template adds to a pair
// What is cut from a text is tokenized all the same: so many bytes take as long as a token takes a small model.
constexpr std::size_t kBytesLikeAToken = 2048;
constexpr double kNew = 0.1;  // how much a new measurement counts beside the old ones
// Small requests come no more when large ones have had so many batches without them. Counted in work and not in time:
// clients wait for their answers, and come the sooner the faster the model is.
constexpr std::size_t kCalmBatches = 8;

}  // namespace

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

ScoreTurns::ScoreTurns(const ScoreQueueOptions& options) : options_(options), calm_tokens_(calm()) {}

// From so many tokens on no small request is expected soon.
std::size_t ScoreTurns::calm() const {
  return kCalmBatches * options_.batch_tokens;
}

void ScoreTurns::add(std::shared_ptr<ScoreEntry> entry) {
  waiting_pairs_ += entry->task.pairs.size();
  for (std::size_t i = 0; i < entry->task.pairs.size(); ++i) waiting_bytes_ += bytes_of(*entry, i);
  begin_turn(*entry);
  turns_.push_back(std::move(entry));
}

void ScoreTurns::drop(const std::shared_ptr<ScoreEntry>& entry) {
  for (std::size_t i = entry->next; i < entry->task.pairs.size(); ++i) waiting_bytes_ -= bytes_of(*entry, i);
  waiting_pairs_ -= entry->task.pairs.size() - entry->next;
  turns_.erase(std::remove(turns_.begin(), turns_.end(), entry), turns_.end());
}

void ScoreTurns::begin_turn(ScoreEntry& entry) const {
  entry.turn = options_.batch_tokens;
  std::size_t pair_idx = entry.next;
  for (std::size_t tokens = 0; pair_idx < entry.task.pairs.size(); ++pair_idx) {
    tokens += tokens_of(entry, pair_idx);
    if (tokens > entry.turn || pair_idx - entry.next == options_.batch_pairs) break;
  }
  entry.is_large = pair_idx < entry.task.pairs.size();
}

// The first in line; or, where large requests hold all calls, the first small one.
ScoreTurns::Turns::const_iterator ScoreTurns::next() const {
  if (running_large_ + running_small_ < options_.calls) return turns_.begin();
  if (running_small_ > 0) return turns_.end();
  return std::find_if(turns_.begin(), turns_.end(), [](const auto& entry) { return !entry->is_large; });
}

ScoreBatch ScoreTurns::take() {
  ScoreBatch batch;
  const auto at = next();
  batch.is_large = (*at)->is_large;
  if (batch.is_large) {
    take_large(at, batch);
    ++running_large_;
  } else {
    take_small(at, batch);
    ++running_small_;
  }
  return batch;
}

void ScoreTurns::end(const ScoreBatch& batch) {
  --(batch.is_large ? running_large_ : running_small_);
}

void ScoreTurns::take_large(Turns::const_iterator at, ScoreBatch& batch) {
  const std::shared_ptr<ScoreEntry> entry = *at;
  const std::size_t most = calm_tokens_ < calm() ? options_.short_tokens : options_.batch_tokens;
  take_pairs(entry, std::min(most, entry->turn), batch);
  calm_tokens_ = std::min(calm_tokens_ + batch.tokens, calm());
  entry->turn -= std::min(batch.tokens, entry->turn);
  if (entry->waits() && tokens_of(*entry, entry->next) <= entry->turn) return;
  turns_.erase(at);
  if (!entry->waits()) return;
  begin_turn(*entry);
  turns_.push_back(entry);
}

// Small requests with the settings of the first one, as long as there is room.
void ScoreTurns::take_small(Turns::const_iterator at, ScoreBatch& batch) {
  calm_tokens_ = 0;
  const std::shared_ptr<ScoreEntry> first = *at;
  while (at != turns_.end()) {
    const std::shared_ptr<ScoreEntry> entry = *at;
    if (entry->is_large || (entry != first && !same_settings(entry->task.options, first->task.options))) {
      ++at;
      continue;
    }
    take_pairs(entry, options_.batch_tokens, batch);
    if (entry->waits()) return;
    at = turns_.erase(at);
  }
}

// Until the batch has `room` tokens; the first pair of a batch fits always.
void ScoreTurns::take_pairs(const std::shared_ptr<ScoreEntry>& entry, std::size_t room, ScoreBatch& batch) {
  const std::size_t before = entry->next;
  while (entry->waits() && batch.items.size() < options_.batch_pairs) {
    const std::size_t tokens = tokens_of(*entry, entry->next);
    if (!batch.items.empty() && batch.tokens + tokens > room) break;
    const auto& pair = entry->task.pairs[entry->next];
    batch.pairs.push_back({entry->task.texts[pair.query], entry->task.texts[pair.passage]});
    batch.items.push_back({entry, entry->next});
    batch.tokens += tokens;
    batch.bytes += bytes_of(*entry, entry->next);
    waiting_bytes_ -= bytes_of(*entry, entry->next);
    --waiting_pairs_;
    ++entry->next;
  }
  if (entry->next == before) return;
  batch.entries.push_back(entry);
  if (!entry->started) entry->started = std::chrono::steady_clock::now();
}

void ScoreTurns::learn(std::size_t bytes, std::size_t tokens) {
  const double ratio = std::clamp(static_cast<double>(tokens) / static_cast<double>(bytes), 0.02, 2.0);
  tokens_per_byte_ += kNew * (ratio - tokens_per_byte_);
}

std::size_t ScoreTurns::bytes_of(const ScoreEntry& entry, std::size_t pair_idx) {
  const auto& pair = entry.task.pairs[pair_idx];
  return entry.task.texts[pair.query].size() + entry.task.texts[pair.passage].size();
}

std::size_t ScoreTurns::tokens_of(const ScoreEntry& entry, std::size_t pair_idx) const {
  const int asked = entry.task.options.max_length;
  const std::size_t most = asked > 0 ? static_cast<std::size_t>(asked) : options_.pair_tokens;
  const std::size_t bytes = bytes_of(entry, pair_idx);
  const auto tokens = static_cast<std::size_t>(static_cast<double>(bytes) * tokens_per_byte_);
  return std::min(tokens + kTemplateTokens, most) + bytes / kBytesLikeAToken;
}

}  // namespace rerank::server
