#include "evaluation/significance.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rerank::evaluation {
namespace {

// Expected values are scipy's: ttest_rel, wilcoxon, t.sf, and a count of all 2^n exchanges in Python.
const std::vector<double> kA = {.2, .5, .9, .4, .1, .7, .3, .8}, kB = {.25, .7, .87, .8, .1, .76, .55, .88};

TEST(Significance, StudentTIsScipys) {
  const Comparison result = compare(kA, kB, PairedTest::kStudentT);
  EXPECT_NEAR(result.p, 0.043939420391758716, 1e-12);
  EXPECT_NEAR(result.difference, 1.01 / 8, 1e-15);
  EXPECT_NEAR(result.low, 0.004528643144694075, 1e-12);
  EXPECT_NEAR(result.high, 0.2479713568553059, 1e-12);
  EXPECT_EQ(result.better, 6U);
  EXPECT_EQ(result.same, 1U);
  EXPECT_EQ(result.worse, 1U);
}

TEST(Significance, TailsOfStudentT) {
  const double rows[][3] = {{0, 3, 1},
                            {1, 1, 0.5},
                            {2, 10, 0.07338803477074037},
                            {-2, 10, 0.07338803477074037},
                            {2.5, 299, 0.01295490866924203},
                            {30, 5, 7.718648620496053e-07},
                            {1e-3, 7, 0.9992300172449988},
                            {60, 1000, 0},
                            {std::numeric_limits<double>::infinity(), 4, 0}};
  for (const auto& [t, degrees, p] : rows)
    EXPECT_NEAR(student_t_two_sided(t, degrees), p, 1e-12 + p * 1e-10) << t << " " << degrees;
}

TEST(Significance, ExactTestsCountAllExchanges) {
  EXPECT_NEAR(compare(kA, kB, PairedTest::kPermutation).p, 0.03125, 1e-15);
  EXPECT_NEAR(compare(kA, kB, PairedTest::kWilcoxon).p, 0.03125, 1e-15);
  const std::vector<double> ties = {.1, .1, .1, -.1, .2, .3, .3, -.2, .4, .5}, zeros(10, 0.0);
  EXPECT_NEAR(compare(zeros, ties, PairedTest::kWilcoxon).p, 0.052734375, 1e-15);
}

TEST(Significance, ManyQueries) {
  std::vector<double> zeros(80, 0.0), differences;
  for (int i = 1; i <= 80; ++i) differences.push_back(std::round((std::sin(i) * .3 + .05) * 100) / 100);
  EXPECT_NEAR(compare(zeros, differences, PairedTest::kStudentT).p, 0.03343087279843134, 1e-12);
  EXPECT_NEAR(compare(zeros, differences, PairedTest::kWilcoxon).p, 0.02242267061596506, 1e-12);
  const double p = compare(zeros, differences, PairedTest::kPermutation).p;
  EXPECT_NEAR(p, 0.0349, 0.003) << "200,000 exchanges in numpy gave 0.034935";
  EXPECT_EQ(p, compare(zeros, differences, PairedTest::kPermutation).p) << "not the same twice";
}

TEST(Significance, HasNothingToSayWhereNothingDiffers) {
  for (const PairedTest test : {PairedTest::kStudentT, PairedTest::kPermutation, PairedTest::kWilcoxon}) {
    const Comparison same = compare(kA, kA, test);
    EXPECT_EQ(same.p, 1);
    EXPECT_EQ(same.same, kA.size());
    EXPECT_EQ(compare({}, {}, test).p, 1);
    const std::vector<double> one = {0.5}, other = {0.75};
    EXPECT_EQ(compare(one, other, test).p, 1);
    EXPECT_EQ(compare(one, other, test).difference, 0.25);
    // Sums that differ by the order of addition alone.
    const std::vector<double> left = {0.1 + 0.2 + 0.3, 1}, right = {0.3 + 0.2 + 0.1, 1};
    EXPECT_EQ(compare(left, right, test).same, 2U);
  }
  const std::vector<double> zeros = {0, 0, 0}, ones = {1, 1, 1};
  EXPECT_EQ(compare(zeros, ones, PairedTest::kStudentT).p, 0) << "differences without any spread";
}

TEST(Significance, Corrections) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005};
  const auto expect = [&](Correction correction, std::vector<double> expected) {
    const std::vector<double> got = corrected(p, correction);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-15) << i;
  };
  expect(Correction::kNone, p);
  expect(Correction::kBonferroni, {0.04, 0.16, 0.12, 0.02});
  expect(Correction::kHolm, {0.03, 0.06, 0.06, 0.02});
  EXPECT_EQ(corrected(std::vector<double>{0.6, 0.9}, Correction::kHolm), (std::vector<double>{1, 1}));
}

}  // namespace
}  // namespace rerank::evaluation
