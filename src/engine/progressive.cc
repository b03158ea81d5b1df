#include "engine/progressive.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/try.h"

namespace rerank {
namespace {

// Passages from all over the ranking that are read so that the line is not one of the best alone.
constexpr std::size_t kSpread = 8;

// Least squares of last = slope * early + offset, and the standard deviation of what is left.
struct Line {
  double slope = 0, offset = 0, deviation = std::numeric_limits<double>::infinity();

  Line(std::span<const double> early, const LastScores& last) {
    const auto count = static_cast<double>(last.passages.size());
    if (count < 3) return;
    double mean_x = 0, mean_y = 0;
    for (std::size_t i = 0; i < last.passages.size(); ++i) {
      mean_x += early[last.passages[i]] / count;
      mean_y += last.scores[i] / count;
    }
    double xx = 0, xy = 0;
    for (std::size_t i = 0; i < last.passages.size(); ++i) {
      const double x = early[last.passages[i]] - mean_x;
      xx += x * x;
      xy += x * (last.scores[i] - mean_y);
    }
    slope = xx > 0 ? xy / xx : 0;
    offset = mean_y - slope * mean_x;
    double squares = 0;
    for (std::size_t i = 0; i < last.passages.size(); ++i) {
      const double off = last.scores[i] - at(early[last.passages[i]]);
      squares += off * off;
    }
    deviation = std::sqrt(squares / (count - 2));
  }
  double at(double x) const { return slope * x + offset; }
};

double nth_best(std::vector<double> scores, std::size_t n) {
  std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(n - 1), scores.end(), std::greater<>());
  return scores[n - 1];
}

}  // namespace

Result<LastScores> read_contenders(std::span<const double> early, std::size_t top_n, double deviations,
                                   const ReadLast& read_last) {
  std::vector<std::size_t> left(early.size());  // best first
  std::iota(left.begin(), left.end(), std::size_t{0});
  std::stable_sort(left.begin(), left.end(), [&](std::size_t a, std::size_t b) { return early[a] > early[b]; });
  const auto take = [&left](auto is_taken) {
    std::vector<std::size_t> taken, rest;
    for (std::size_t i = 0; i < left.size(); ++i) (is_taken(i) ? taken : rest).push_back(left[i]);
    left = std::move(rest);
    return taken;
  };
  const std::size_t first = std::min(early.size(), 2 * top_n), others = early.size() - first;
  const std::size_t step = std::max<std::size_t>(1, others / kSpread);
  std::vector<std::size_t> wave = take([&](std::size_t i) { return i < first || (i - first) % step == step / 2; });
  LastScores last;
  while (!wave.empty()) {
    RERANK_ASSIGN(const std::vector<double> scores, read_last(wave));
    last.passages.insert(last.passages.end(), wave.begin(), wave.end());
    last.scores.insert(last.scores.end(), scores.begin(), scores.end());
    if (last.passages.size() <= top_n) return last;  // these are all there are
    const Line line(early, last);
    const double bar = nth_best(last.scores, top_n);
    std::size_t room = std::max(top_n, kSpread);  // what these tell may spare the others
    wave = take([&](std::size_t i) {
      if (room == 0 || line.at(early[left[i]]) + deviations * line.deviation < bar) return false;
      --room;
      return true;
    });
  }
  return last;
}

}  // namespace rerank
