#include "engine/score_cache.h"

#include <type_traits>

namespace rerank {
namespace {

void add(SipHash& hash, const std::string& text) {
  hash.add_text(text);
}
template <class Number>
requires std::is_arithmetic_v<Number> || std::is_enum_v<Number>
void add(SipHash& hash, Number number) {
  hash.add_number(static_cast<std::uint64_t>(number));
}
template <class T>
void add(SipHash& hash, const std::optional<T>& value) {
  hash.add_number(value ? 1 : 0);
  if (value) add(hash, *value);
}
void add(SipHash& hash, const std::vector<int>& numbers) {
  hash.add_number(numbers.size());
  for (const int number : numbers) add(hash, number);
}

}  // namespace

ScoreCache::Settings::Settings(const ScoreCache& cache, const ScoreOptions& options) : hash_(cache.hash_key_) {
  // All members by name: with a new one this does not compile before somebody has thought about it.
  const auto& [max_length, query_max_length, truncation, special_tokens_in_text, normalize, query_instruction,
               query_instruction_format, passage_instruction, passage_instruction_format, prompt, cutoff_layers,
               compress_ratio, compress_layers, heads, attention_softcap, top_logprobs, readout, max_new_tokens,
               think_budget, verdict, rethink, ignore_stop, on_score, on_tokens, on_reasoning, share_prefixes, stop] =
      options;
  // The last ones change no score: whom it is told, how it is computed, and when that ends.
  const auto add_all = [this](const auto&... settings) { (add(hash_, settings), ...); };
  add_all(max_length, query_max_length, truncation, special_tokens_in_text, normalize, query_instruction,
          query_instruction_format, passage_instruction, passage_instruction_format, prompt, cutoff_layers,
          compress_ratio, compress_layers, heads, attention_softcap, top_logprobs, readout, max_new_tokens,
          think_budget, verdict, rethink, ignore_stop);
}

ScoreCache::Key ScoreCache::Settings::key_of(const Pair& pair) const {
  SipHash hash = hash_;
  hash.add_text(pair.query);
  hash.add_text(pair.passage);
  return hash.digest();
}

std::optional<Score> ScoreCache::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->score;
}

void ScoreCache::insert(const Key& key, const Score& score) {
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return;  // somebody else has computed it as well: to the same bits
  entries_.push_front({key, score});
  by_key_.emplace(key, entries_.begin());
  bytes_ += bytes_of(score);
  while (bytes_ > budget_) {
    bytes_ -= bytes_of(entries_.back().score);
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::size_t ScoreCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

// With the nodes of list and table, and their places in the heap.
std::size_t ScoreCache::bytes_of(const Score& score) {
  constexpr std::size_t kNodes = sizeof(Entry) + sizeof(Key) + 12 * sizeof(void*);
  return kNodes + score.layer_values.size() * sizeof(double) + score.reasoning.size();
}

}  // namespace rerank
