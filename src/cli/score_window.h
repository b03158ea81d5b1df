// How many pairs a streaming command scores before it writes them.
//
// A window is what an interruption can lose, so it should last seconds, not minutes; and it is what the engine can
// pack, so it should not be small for a fast model. Scores do not depend on it.
#pragma once

#include <cstddef>

namespace rerank::cli {

class ScoreWindow {
 public:
  ScoreWindow() = default;
  // Windows of the largest size from the start, for methods that tell of each pair as it is scored.
  static ScoreWindow largest() { return ScoreWindow(kMostPairs); }

  // Whether a window of `pairs` pairs and `bytes` bytes of text is full.
  bool full(std::size_t pairs, std::size_t bytes) const { return pairs >= pairs_ || bytes >= kBytes; }

  // After a window: the next one is sized to last about kSeconds at the same speed.
  void scored(std::size_t pairs, double seconds);

  std::size_t pairs() const { return pairs_; }

  static constexpr std::size_t kFewestPairs = 32, kMostPairs = 2048;
  static constexpr std::size_t kBytes = std::size_t{64} << 20;
  static constexpr double kSeconds = 4;

 private:
  explicit ScoreWindow(std::size_t pairs) : pairs_(pairs) {}

  std::size_t pairs_ = kFewestPairs;
};

}  // namespace rerank::cli
