// Whether one ranking is better than another, or merely looks so on these queries: paired tests over queries.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rerank::evaluation {

enum class PairedTest {
  kStudentT,     // of the mean difference; the usual one in the literature
  kPermutation,  // of the mean difference under random exchange of the two systems: no assumption about the
                 // differences. All 2^n exchanges for up to 16 queries that differ, else 100,000 random ones, always
                 // the same
  kWilcoxon,     // of the signed ranks, queries without a difference left out. The exact distribution, ties included,
                 // for up to 50 queries that differ, else the normal approximation with correction for ties
};

struct Comparison {
  double difference = 0;                        // mean of b - a
  double low = 0, high = 0;                     // its 95 % confidence interval, by Student's t
  double p = 1;                                 // two-sided; 1 where no query differs
  std::size_t better = 0, same = 0, worse = 0;  // queries in which b is; "same" is equal to 12 digits
};

// The values of one measure in the same queries, in the same order. a.size() == b.size(); with fewer than two queries
// p is 1 and the interval is the difference.
Comparison compare(std::span<const double> a, std::span<const double> b, PairedTest test);

enum class Correction {
  kNone,
  kBonferroni,  // p * tests
  kHolm,        // Holm's step-down, never weaker than Bonferroni: the chance of any false finding stays below p
};
// The p values as they are to be read when all of them are looked at together, in the same order, at most 1.
std::vector<double> corrected(std::span<const double> p, Correction correction);

// Two-sided probability of Student's t with `degrees` > 0 degrees of freedom beyond |t|.
double student_t_two_sided(double t, double degrees);

}  // namespace rerank::evaluation
