#include "evaluation/significance.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>

namespace rerank::evaluation {
namespace {

constexpr std::size_t kExactPermutations = 16;  // queries
constexpr std::size_t kExactWilcoxon = 50;      // queries
constexpr std::size_t kRandomPermutations = 100'000;
constexpr double kSame = 1e-12;  // sums of the same numbers in another order differ by less

// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), by Lentz's method; converges
// fast where x < (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m < 10'000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    value *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    value *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return value;
}

// I_x(a, b), with 1 - x given too: it may be too close to 1 for x to say.
double incomplete_beta(double a, double b, double x, double rest) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(rest));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, rest) / b;
}

// The t beyond which, on both sides, lies `p`.
double student_t_quantile(double p, double degrees) {
  double low = 0, high = 1;
  while (student_t_two_sided(high, degrees) > p) high *= 2;
  for (int step = 0; step < 200 && high - low > 1e-14 * high; ++step) {
    const double middle = (low + high) / 2;
    (student_t_two_sided(middle, degrees) > p ? low : high) = middle;
  }
  return high;
}

double permutation_p(const std::vector<double>& differences) {
  const std::size_t count = differences.size();
  double sum = 0, scale = 0;
  for (const double difference : differences) {
    sum += difference;
    scale += std::abs(difference);
  }
  const double as_far = std::abs(sum) - kSame * scale;
  const auto flipped_sum = [&](auto is_flipped) {
    double flipped = 0;
    for (std::size_t i = 0; i < count; ++i) flipped += is_flipped(i) ? -differences[i] : differences[i];
    return std::abs(flipped);
  };
  std::size_t far = 0;
  if (count <= kExactPermutations) {
    const std::uint64_t all = std::uint64_t{1} << count;
    for (std::uint64_t signs = 0; signs < all; ++signs)
      far += flipped_sum([&](std::size_t i) { return (signs >> i & 1) != 0; }) >= as_far ? 1 : 0;
    return static_cast<double>(far) / static_cast<double>(all);
  }
  std::mt19937_64 random(20'101);  // any fixed seed: the same runs always give the same p
  std::vector<std::uint64_t> signs((count + 63) / 64);
  for (std::size_t round = 0; round < kRandomPermutations; ++round) {
    for (std::uint64_t& word : signs) word = random();
    far += flipped_sum([&](std::size_t i) { return (signs[i / 64] >> (i % 64) & 1) != 0; }) >= as_far ? 1 : 0;
  }
  // The order that was seen is one of the possible ones.
  return static_cast<double>(far + 1) / static_cast<double>(kRandomPermutations + 1);
}

// Twice the rank of each difference by its size, 2 ... 2n; equal sizes share the mean of their ranks.
std::vector<std::size_t> double_ranks(const std::vector<double>& differences) {
  std::vector<std::size_t> order(differences.size()), ranks(differences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto size_of = [&](std::size_t i) { return std::abs(differences[i]); };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size_of(a) < size_of(b); });
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && size_of(order[end]) - size_of(order[begin]) <= kSame) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = begin + 1 + end;
  }
  return ranks;
}

double wilcoxon_p(const std::vector<double>& differences) {
  const std::vector<std::size_t> ranks = double_ranks(differences);
  std::size_t positive = 0, all = 0;
  double square_sum = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (differences[i] > 0) positive += ranks[i];
    all += ranks[i];
    square_sum += static_cast<double>(ranks[i]) * static_cast<double>(ranks[i]);
  }
  const std::size_t smaller = std::min(positive, all - positive);
  if (ranks.size() > kExactWilcoxon) {
    // A sum of independent signs: its variance is that of the ranks, a quarter of their squares.
    const double z = (static_cast<double>(smaller) - static_cast<double>(all) / 2) / std::sqrt(square_sum / 4);
    return std::erfc(-z / std::sqrt(2.0));
  }
  std::vector<double> chance(all + 1, 0.0);  // of each sum of the positive ranks
  chance[0] = 1;
  std::size_t reached = 0;
  for (const std::size_t rank : ranks) {
    reached += rank;
    for (std::size_t sum = reached + 1; sum-- > 0;)
      chance[sum] = (chance[sum] + (sum >= rank ? chance[sum - rank] : 0.0)) / 2;
  }
  const double tail = std::accumulate(chance.begin(), chance.begin() + static_cast<std::ptrdiff_t>(smaller) + 1, 0.0);
  return std::min(1.0, 2 * tail);
}

}  // namespace

double student_t_two_sided(double t, double degrees) {
  const double squared = t * t;
  if (!std::isfinite(squared)) return 0;
  return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + squared), squared / (degrees + squared));
}

Comparison compare(std::span<const double> a, std::span<const double> b, PairedTest test) {
  Comparison result;
  std::vector<double> all, not_zero;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(b[i] - a[i]) <= kSame ? 0.0 : b[i] - a[i];
    all.push_back(difference);
    if (difference != 0) not_zero.push_back(difference);
    ++(difference > 0 ? result.better : difference < 0 ? result.worse : result.same);
  }
  const auto count = static_cast<double>(all.size());
  if (all.empty()) return result;
  result.difference = result.low = result.high = std::accumulate(all.begin(), all.end(), 0.0) / count;
  if (all.size() < 2 || not_zero.empty()) return result;

  double squares = 0;
  for (const double difference : all) squares += (difference - result.difference) * (difference - result.difference);
  const double standard_error = std::sqrt(squares / (count - 1) / count);
  const double reach = student_t_quantile(0.05, count - 1) * standard_error;
  result.low -= reach;
  result.high += reach;
  switch (test) {
    case PairedTest::kStudentT:
      result.p = student_t_two_sided(
          standard_error > 0 ? result.difference / standard_error : std::numeric_limits<double>::infinity(), count - 1);
      break;
    case PairedTest::kPermutation:
      result.p = permutation_p(not_zero);
      break;
    case PairedTest::kWilcoxon:
      result.p = wilcoxon_p(not_zero);
      break;
  }
  return result;
}

std::vector<double> corrected(std::span<const double> p, Correction correction) {
  std::vector<double> values(p.begin(), p.end());
  if (correction == Correction::kNone) return values;
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return p[x] < p[y]; });
  double so_far = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t tests = correction == Correction::kHolm ? p.size() - i : p.size();
    so_far = std::max(so_far, std::min(1.0, p[order[i]] * static_cast<double>(tests)));
    values[order[i]] = so_far;
  }
  return values;
}

}  // namespace rerank::evaluation
