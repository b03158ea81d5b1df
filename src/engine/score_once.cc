#include "engine/score_once.h"

#include <functional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/try.h"
#include "engine/pair_encoding.h"

namespace rerank {
namespace {

struct PairHash {
  std::size_t operator()(const Pair& pair) const {
    const std::hash<std::string_view> hash;
    return hash(pair.query) * 31 + hash(pair.passage);
  }
};
struct SamePair {
  bool operator()(const Pair& a, const Pair& b) const { return a.query == b.query && a.passage == b.passage; }
};

// One call. Its distinct pairs have owners: where the call holds them.
class Call {
 public:
  Call(const Scorer& scorer, ScoreCache* cache, ReuseCounts& counts, std::span<const Pair> pairs,
       const ScoreOptions& options, const Progress& progress)
      : scorer_(scorer), cache_(cache), counts_(counts), pairs_(pairs), options_(options), progress_(progress) {}

  Result<std::vector<Result<Score>>> run() {
    find_distinct();
    if (cache_ == nullptr && distinct_.size() == pairs_.size()) return scorer_.score_each(pairs_, options_, progress_);
    for (std::size_t pair_idx = 0; pair_idx < pairs_.size(); ++pair_idx)
      scores_.emplace_back(at_pair(pair_idx, stopped()));
    if (cache_ != nullptr) give_known();
    if (distinct_.empty() || !goes_on_) return std::move(scores_);
    RERANK_ASSIGN(const auto computed, compute());
    for (std::size_t i = 0; i < distinct_.size(); ++i) {
      give(owners_[i], i, computed[i]);
      if (!computed[i].ok()) continue;
      counts_.tokens += computed[i].value().tokens * (owners_[i].size() - 1);
      if (cache_ != nullptr) cache_->insert(keys_[i], computed[i].value());
    }
    return std::move(scores_);
  }

 private:
  using Owners = std::vector<std::size_t>;

  void find_distinct() {
    std::unordered_map<Pair, std::size_t, PairHash, SamePair> place_of;
    place_of.reserve(pairs_.size());
    for (std::size_t pair_idx = 0; pair_idx < pairs_.size(); ++pair_idx) {
      const auto [found, is_new] = place_of.try_emplace(pairs_[pair_idx], distinct_.size());
      if (is_new) {
        distinct_.push_back(pairs_[pair_idx]);
        owners_.emplace_back();
      }
      owners_[found->second].push_back(pair_idx);
    }
    counts_.repeated_pairs += pairs_.size() - distinct_.size();
  }

  // The scores that the cache holds; what is distinct then are the other pairs.
  void give_known() {
    const ScoreCache::Settings settings(*cache_, options_);
    std::vector<Pair> unknown;
    std::vector<Owners> owners;
    for (std::size_t i = 0; i < distinct_.size(); ++i) {
      const ScoreCache::Key key = settings.key_of(distinct_[i]);
      if (const std::optional<Score> score = cache_->find(key)) {
        ++counts_.cache_hits;
        counts_.tokens += score->tokens * owners_[i].size();
        give(owners_[i], i, *score);
        tell(owners_[i]);
      } else {
        ++counts_.cache_misses;
        unknown.push_back(distinct_[i]);
        owners.push_back(std::move(owners_[i]));
        keys_.push_back(key);
      }
    }
    distinct_ = std::move(unknown);
    owners_ = std::move(owners);
    std::size_t waiting = 0;
    for (const Owners& of_pair : owners_) waiting += of_pair.size();
    if (progress_ && waiting < pairs_.size()) progress_(pairs_.size() - waiting);
  }

  Result<std::vector<Result<Score>>> compute() {
    ScoreOptions options = options_;
    if (options_.on_score)
      options.on_score = [this](std::size_t i, const Result<Score>& score) {
        give(owners_[i], i, score);
        return tell(owners_[i]);
      };
    if (options_.on_reasoning)
      options.on_reasoning = [this](std::size_t i, std::string_view text) {
        bool goes_on = true;
        for (const std::size_t pair_idx : owners_[i]) goes_on = options_.on_reasoning(pair_idx, text) && goes_on;
        return goes_on;
      };
    const std::size_t known = pairs_.size() - distinct_.size();
    Progress progress;
    if (progress_) progress = [this, known](std::size_t done) { progress_(known + done); };
    return scorer_.score_each(distinct_, options, progress);
  }

  // `score` is that of the scorer's pair `i`.
  void give(const Owners& owners, std::size_t i, const Result<Score>& score) {
    for (const std::size_t pair_idx : owners) {
      scores_[pair_idx] = score;
      if (!score.ok()) renumber_pair(scores_[pair_idx].error(), i, pair_idx);
    }
  }

  bool tell(const Owners& owners) {
    if (options_.on_score)
      for (const std::size_t pair_idx : owners) goes_on_ = goes_on_ && options_.on_score(pair_idx, scores_[pair_idx]);
    return goes_on_;
  }

  const Scorer& scorer_;
  ScoreCache* cache_;
  ReuseCounts& counts_;
  std::span<const Pair> pairs_;
  const ScoreOptions& options_;
  const Progress& progress_;
  std::vector<Pair> distinct_;
  std::vector<Owners> owners_;         // [distinct]
  std::vector<ScoreCache::Key> keys_;  // [distinct], with a cache
  std::vector<Result<Score>> scores_;  // [pairs]
  bool goes_on_ = true;                // as on_score says
};

}  // namespace

Result<std::vector<Result<Score>>> score_once(const Scorer& scorer, ScoreCache* cache, ReuseCounts& counts,
                                              std::span<const Pair> pairs, const ScoreOptions& options,
                                              const Progress& progress) {
  return Call(scorer, cache, counts, pairs, options, progress).run();
}

}  // namespace rerank
