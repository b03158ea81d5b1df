#include "cli/score_window.h"

#include <algorithm>

namespace rerank::cli {

void ScoreWindow::scored(std::size_t pairs, double seconds) {
  // Growth is bounded, because one window of short pairs says little about the next.
  const double most = 4.0 * static_cast<double>(pairs_);
  const double wanted = seconds > 0 ? static_cast<double>(pairs) * kSeconds / seconds : most;
  pairs_ = std::clamp(static_cast<std::size_t>(std::min(wanted, most)), kFewestPairs, kMostPairs);
}

}  // namespace rerank::cli
