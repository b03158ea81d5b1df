#include "evaluation/measures.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/shared_data.h"

namespace rerank::evaluation {
namespace {

Run run_of(std::string_view text) {
  return read_run(io::LineReader::over(text, "run")).value();
}
Qrels qrels_of(std::string_view text) {
  return read_qrels(io::LineReader::over(text, "qrels")).value();
}

double mean_of(std::string_view qrels, std::string_view run, std::string_view measure) {
  const std::vector<Measure> measures = {parse_measure(measure).value()};
  return evaluate(qrels_of(qrels), run_of(run), measures).means[0];
}

// Judged: a 1, b 2, c 0, d -1, e 1. Ranked: x, b, c, d, a (e is not found).
constexpr const char* kQrels = "q 0 a 1\nq 0 b 2\nq 0 c 0\nq 0 d -1\nq 0 e 1\n";
constexpr const char* kRun = "q Q0 a 1 1 t\nq Q0 d 1 2 t\nq Q0 c 1 3 t\nq Q0 b 1 4 t\nq Q0 x 1 5 t\n";
const double kLog2Of3 = std::log2(3.0), kLog2Of6 = std::log2(6.0);
const double kIdeal = 2 + 1 / kLog2Of3 + 1.0 / 2;

struct MeasureCase {
  const char* name;
  double value;
};
void PrintTo(const MeasureCase& row, std::ostream* out) {
  *out << row.name;
}
class Measures : public ::testing::TestWithParam<MeasureCase> {};
INSTANTIATE_TEST_SUITE_P(
    ByHand, Measures,
    ::testing::Values(MeasureCase{"nDCG", (2 / kLog2Of3 + 1 / kLog2Of6) / kIdeal},
                      MeasureCase{"nDCG@10", (2 / kLog2Of3 + 1 / kLog2Of6) / kIdeal}, MeasureCase{"nDCG@1", 0.0},
                      MeasureCase{"nDCG@2", (2 / kLog2Of3) / (2 + 1 / kLog2Of3)}, MeasureCase{"MRR", 1.0 / 2},
                      MeasureCase{"MRR@1", 0.0}, MeasureCase{"RR@2", 1.0 / 2}, MeasureCase{"P@1", 0.0},
                      MeasureCase{"P@2", 1.0 / 2}, MeasureCase{"P@10", 2.0 / 10}, MeasureCase{"R@1", 0.0},
                      MeasureCase{"Recall@2", 1.0 / 3}, MeasureCase{"recall@100", 2.0 / 3},
                      MeasureCase{"MAP", (1.0 / 2 + 2.0 / 5) / 3}, MeasureCase{"AP@4", (1.0 / 2) / 3},
                      MeasureCase{"Success@1", 0.0}, MeasureCase{"success@2", 1.0},
                      MeasureCase{"RBP", 0.2 * (0.8 + 0.8 * 0.8 * 0.8 * 0.8)}, MeasureCase{"RBP(p=0.5)@3", 0.25},
                      MeasureCase{"RBP(rel=2,p=0.5)", 0.25}, MeasureCase{"P(rel=2)@5", 1.0 / 5},
                      MeasureCase{"R(rel=2)@5", 1.0}, MeasureCase{"RR(rel=3)", 0.0}, MeasureCase{"AP(rel=3)", 0.0},
                      MeasureCase{"ERR", (3.0 / 16) / 2 + (13.0 / 16) * (1.0 / 16) / 5},
                      MeasureCase{"ERR@2", (3.0 / 16) / 2}, MeasureCase{"Judged@1", 0.0},
                      MeasureCase{"Judged@3", 2.0 / 3}, MeasureCase{"Judged", 4.0 / 5},
                      MeasureCase{"Judged@100", 4.0 / 5}, MeasureCase{"Bpref", (1.0 + 0.0) / 3},
                      MeasureCase{"Bpref(rel=2)", 1.0}, MeasureCase{"nDCG(dcg=log2)@1", 0.0},
                      MeasureCase{"nDCG(dcg='exp-log2')", (3 / kLog2Of3 + 1 / kLog2Of6) / (kIdeal + 1)},
                      MeasureCase{"ndcg(dcg=exp-log2)@2", (3 / kLog2Of3) / (3 + 1 / kLog2Of3)}));
TEST_P(Measures, GiveTheHandComputedValue) {
  EXPECT_NEAR(mean_of(kQrels, kRun, GetParam().name), GetParam().value, 1e-15);
}

struct MeanCase {
  const char* why;
  const char *qrels, *run;
  double p_at_1;
};
void PrintTo(const MeanCase& row, std::ostream* out) {
  *out << row.why;
}
class Means : public ::testing::TestWithParam<MeanCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Means,
    ::testing::Values(
        MeanCase{"a query that the run lacks counts 0", "q 0 a 1\nr 0 a 1\n", "q Q0 a 1 1 t\n", 0.5},
        MeanCase{"a query without anything relevant counts 0", "q 0 a 1\nr 0 a 0\n", "q Q0 a 1 1 t\nr Q0 a 1 1 t\n",
                 0.5},
        MeanCase{"a query without judgements does not count", "q 0 a 1\n", "q Q0 a 1 1 t\nr Q0 a 1 1 t\n", 1.0},
        MeanCase{"equal scores: the larger id first", "q 0 b 1\n", "q Q0 a 1 1 t\nq Q0 b 2 1 t\n", 1.0},
        MeanCase{"equal scores: the smaller id loses", "q 0 a 1\n", "q Q0 a 1 1 t\nq Q0 b 2 1 t\n", 0.0},
        MeanCase{"scores that are equal as floats", "q 0 b 1\n", "q Q0 a 1 1.00000001 t\nq Q0 b 2 1 t\n", 1.0},
        MeanCase{"the rank column plays no part", "q 0 b 1\n", "q Q0 a 7 1 t\nq Q0 b 7 5 t\n", 1.0}));
TEST_P(Means, AreThoseOfTrecEval) {
  const auto [why, qrels, run, p_at_1] = GetParam();
  EXPECT_EQ(mean_of(qrels, run, "P@1"), p_at_1);
  EXPECT_EQ(mean_of(qrels, run, "Success@1"), p_at_1);
  EXPECT_EQ(mean_of(qrels, run, "nDCG@1"), p_at_1);
}

TEST(Evaluation, CountsWhatIsMissing) {
  const std::vector<Measure> measures = parse_measures("P@1,nDCG@10").value();
  const Evaluation evaluation =
      evaluate(qrels_of("q 0 a 1\nr 0 a 1\ns 0 a 1\n"), run_of("q Q0 a 1 1 t\nx Q0 a 1 1 t\ny Q0 a 1 1 t\n"), measures);
  EXPECT_EQ(evaluation.missing_from_run, 2U);
  EXPECT_EQ(evaluation.not_judged, 2U);
  ASSERT_EQ(evaluation.queries.size(), 3U);
  EXPECT_TRUE(evaluation.queries[0].in_run);
  EXPECT_EQ(evaluation.queries[0].values, (std::vector<double>{1, 1}));
  EXPECT_FALSE(evaluation.queries[2].in_run);
  EXPECT_EQ(evaluation.queries[2].values, (std::vector<double>{0, 0}));
}

struct NameCase {
  const char* name;
  const char* message;  // "" when the name is good
};
void PrintTo(const NameCase& row, std::ostream* out) {
  *out << row.name;
}
class MeasureNames : public ::testing::TestWithParam<NameCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, MeasureNames,
    ::testing::Values(
        NameCase{"nDCG@10", ""}, NameCase{"NDCG", ""}, NameCase{"mrr@10", ""}, NameCase{"rr", ""},
        NameCase{"map@100", ""}, NameCase{"p@5", ""}, NameCase{"r@1000", ""},
        NameCase{"P", "measure \"P\" needs a cutoff, as in P@10 (supported are nDCG"},
        NameCase{"recall", "needs a cutoff"}, NameCase{"Success", "needs a cutoff"},
        NameCase{"nDCG@", "needs a whole number above 0"}, NameCase{"nDCG@0", "needs a whole number above 0"},
        NameCase{"nDCG@-1", "needs a whole number above 0"}, NameCase{"P@1.5", "needs a whole number above 0"},
        NameCase{"nDCG@99999999999999999999", "needs a whole number above 0"}, NameCase{"bpref", ""},
        NameCase{"bpref@3", "takes no cutoff"}, NameCase{"RBP(p=0.95)@20", ""},
        NameCase{"RBP(p=1)", "needs a number between 0 and 1"}, NameCase{"RBP(p=x)", "needs a number between 0 and 1"},
        NameCase{"RBP(p=0.5", "has a \"(\" without"}, NameCase{"P(rel=0)@5", "behind \"rel=\""},
        NameCase{"P(rel=2)", "needs a cutoff"}, NameCase{"nDCG(rel=2)@5", "takes no parameter \"rel=2\""},
        NameCase{"ERR(p=0.5)", "takes no parameter"}, NameCase{"AP()", "takes no parameter"},
        NameCase{"nDCG(dcg=ln)", "needs dcg=log2 or dcg=exp-log2"}, NameCase{"judged@10", ""}, NameCase{"err", ""},
        NameCase{"infAP", "measure \"infAP\" is not known (supported are"}, NameCase{"", "is not known"}));
TEST_P(MeasureNames, AreParsedOrExplained) {
  const auto [name, message] = GetParam();
  const auto measure = parse_measure(name);
  ASSERT_EQ(measure.ok(), *message == '\0');
  if (measure.ok()) {
    EXPECT_EQ(measure.value().name, name);
  } else {
    EXPECT_EQ(measure.error().code, Error::Code::kBadInput);
    EXPECT_NE(measure.error().message().find(message), std::string::npos) << measure.error().message();
  }
}

TEST(Measures, AreParsedFromAList) {
  const auto measures = parse_measures("nDCG@10, P@1");
  ASSERT_TRUE(measures.ok());
  ASSERT_EQ(measures.value().size(), 2U);
  EXPECT_EQ(measures.value()[1].name, "P@1");
  const auto with_parameters = parse_measures("RBP(rel=2, p=0.5)@3,P@1");
  ASSERT_TRUE(with_parameters.ok());
  ASSERT_EQ(with_parameters.value().size(), 2U);
  EXPECT_EQ(with_parameters.value()[0].relevant_from, 2);
  EXPECT_EQ(with_parameters.value()[0].persistence, 0.5);
  EXPECT_EQ(with_parameters.value()[0].cutoff, 3U);
  EXPECT_FALSE(parse_measures("").ok());
  EXPECT_FALSE(parse_measures("nDCG@10,").ok());
}

// The figures that SOURCES.md of the reference data states for each first stage, as ir_measures computed them.
struct CollectionCase {
  const char* folder;
  double ndcg_10, recall_100, p_1, mrr_10;
};
void PrintTo(const CollectionCase& row, std::ostream* out) {
  *out << row.folder;
}
class Collections : public ::testing::TestWithParam<CollectionCase> {};
INSTANTIATE_TEST_SUITE_P(
    Bm25, Collections,
    ::testing::Values(
        CollectionCase{"scifact", 0.679, 0.922, 0.550, 0.646}, CollectionCase{"cranfield", 0.366, 0.728, 0.324, 0.512},
        CollectionCase{"xquad/en", 0.806, 0.990, 0.620, 0.757}, CollectionCase{"xquad/de", 0.765, 0.950, 0.630, 0.727},
        CollectionCase{"xquad/es", 0.827, 1.000, 0.680, 0.786}, CollectionCase{"xquad/ru", 0.811, 0.990, 0.650, 0.762},
        CollectionCase{"xquad/ro", 0.830, 1.000, 0.660, 0.786}, CollectionCase{"xquad/el", 0.799, 0.980, 0.660, 0.759},
        CollectionCase{"xquad/tr", 0.761, 0.970, 0.610, 0.713}, CollectionCase{"xquad/ar", 0.792, 0.970, 0.640, 0.742},
        CollectionCase{"xquad/hi", 0.817, 0.990, 0.680, 0.780}, CollectionCase{"xquad/vi", 0.820, 1.000, 0.630, 0.770},
        CollectionCase{"xquad/th", 0.847, 1.000, 0.690, 0.803}, CollectionCase{"xquad/zh", 0.848, 0.960, 0.760, 0.824},
        CollectionCase{"cosqa", 0.373, 0.824, 0.218, 0.318}, CollectionCase{"cmrc2018", 0.794, 0.993, 0.553, 0.733}));
TEST_P(Collections, GiveTheStatedFigures) {
  RERANK_NEED_SHARED("data");
  const CollectionCase& row = GetParam();
  const auto folder = rerank::testing::shared_dir() / "data" / row.folder;
  const auto qrels = read_qrels((folder / "qrels" / "test.tsv").string());
  const auto run = read_run((folder / "run.bm25.txt").string());
  ASSERT_TRUE(qrels.ok()) << qrels.error().message();
  ASSERT_TRUE(run.ok()) << run.error().message();
  const std::vector<Measure> measures = parse_measures("nDCG@10,R@100,P@1,MRR@10").value();
  const Evaluation evaluation = evaluate(qrels.value(), run.value(), measures);
  const double stated[] = {row.ndcg_10, row.recall_100, row.p_1, row.mrr_10};
  for (std::size_t i = 0; i < measures.size(); ++i)
    EXPECT_NEAR(evaluation.means[i], stated[i], 0.0005 + 1e-12) << measures[i].name;
}

}  // namespace
}  // namespace rerank::evaluation
