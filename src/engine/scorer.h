// What a method is to the engine: pairs in, scores out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rerank/engine.h"

namespace rerank {

// Immutable but for caches and counters; serves any number of threads.
class Scorer {
 public:
  virtual ~Scorer() = default;
  // As Engine::score_each.
  virtual Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                        const Progress& progress) const = 0;
  // As Engine::measure.
  virtual Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs,
                                                          const ScoreOptions& options) const = 0;
  // As Engine::remarks.
  virtual std::vector<std::string> remarks(const ScoreOptions& options) const = 0;
  virtual Work work() const = 0;
};

}  // namespace rerank
