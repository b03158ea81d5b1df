// What need not be scored: pairs that a call holds twice, and those whose score is known.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "engine/score_cache.h"
#include "engine/scorer.h"

namespace rerank {

// Counted by all calls of an engine.
struct ReuseCounts {
  std::atomic<std::uint64_t> repeated_pairs = 0, cache_hits = 0, cache_misses = 0, tokens = 0;
};

// Scorer::score_each, which sees each pair once, and those that the cache knows not at all. `cache` may be nullptr. The
// scores are the same bits, since they depend on nothing but pair and settings. on_score, on_reasoning and progress
// tell of all pairs; those that need no work count as done from the start.
Result<std::vector<Result<Score>>> score_once(const Scorer& scorer, ScoreCache* cache, ReuseCounts& counts,
                                              std::span<const Pair> pairs, const ScoreOptions& options,
                                              const Progress& progress);

}  // namespace rerank
