#include "evaluation/paired_measures.h"

#include <gtest/gtest.h>

#include <vector>

#include "evaluation/measures.h"

namespace rerank::evaluation {
namespace {

Qrels qrels_of(std::string_view text) {
  return read_qrels(io::LineReader::over(text, "qrels")).value();
}
evaluation::Run run_of(std::string_view text) {
  return read_run(io::LineReader::over(text, "run")).value();
}

TEST(PairedAccuracy, NeedsBothQueriesOfAPair) {
  const Qrels qrels = qrels_of("1_q1 0 a 1\n1_q2 0 b 1\n2_q1 0 c 1\n2_q2 0 d 1\n3_q1 0 e 1\n3_q2 0 f 1\n");
  const PairedMeasure measure = paired_accuracy(
      qrels, run_of("1_q1 Q0 a 1 2 t\n1_q1 Q0 b 2 1 t\n1_q2 Q0 b 1 2 t\n1_q2 Q0 a 2 1 t\n"  // both right
                    "2_q1 Q0 c 1 2 t\n2_q1 Q0 d 2 1 t\n2_q2 Q0 c 1 2 t\n2_q2 Q0 d 2 1 t\n"  // the same twice
                    "3_q1 Q0 e 1 2 t\n"));                                                  // not ranked: wrong
  ASSERT_EQ(measure.values.size(), 3U);
  EXPECT_EQ(measure.values[0].key, "1");
  EXPECT_EQ(measure.values[0].value, 1);
  EXPECT_EQ(measure.values[1].value, 0);
  EXPECT_EQ(measure.values[2].value, 0);
  EXPECT_DOUBLE_EQ(measure.mean, 1.0 / 3);
  EXPECT_EQ(measure.incomplete, 0U);
}

TEST(PairedAccuracy, TiesGoToTheLargerIdAndHalfAPairCountsNot) {
  const Qrels qrels = qrels_of("1_q1 0 a 1\n1_q2 0 b 1\n2_q1 0 a 1\nx 0 a 1\n");
  const PairedMeasure measure = paired_accuracy(
      qrels, run_of("1_q1 Q0 a 1 1 t\n1_q1 Q0 b 2 1 t\n1_q2 Q0 b 1 1 t\n1_q2 Q0 a 2 1 t\n2_q1 Q0 a 1 1 t\n"));
  EXPECT_EQ(measure.mean, 0) << "b is first for both";
  EXPECT_EQ(measure.values.size(), 1U);
  EXPECT_EQ(measure.incomplete, 2U) << "2 has no _q2, x is no pair";
}

TEST(PairedMeasures, AreMeasuresOfEvaluateToo) {
  const std::vector<Measure> measures = parse_measures("PairedAccuracy,p-MRR,Recall@1").value();
  EXPECT_TRUE(measures[0].is_paired() && measures[1].is_paired() && !measures[2].is_paired());
  const Qrels qrels = qrels_of("1_q1 0 a 1\n1_q2 0 b 1\n2_q1 0 a 1\n2_q2 0 b 1\nk-og 0 a 1\nk-changed 0 b 1\n");
  const Evaluation evaluation = evaluate(qrels,
                                         run_of("1_q1 Q0 a 1 2 t\n1_q2 Q0 b 1 2 t\n2_q1 Q0 a 1 2 t\n2_q2 Q0 a 1 2 t\n"
                                                "k-og Q0 a 1 2 t\nk-changed Q0 b 1 2 t\nk-changed Q0 a 2 1 t\n"),
                                         measures);
  EXPECT_EQ(evaluation.means[0], 0.5);
  EXPECT_EQ(evaluation.means[1], 0.5) << "a falls from 1 to 2";
  EXPECT_DOUBLE_EQ(evaluation.means[2], 5.0 / 6);
  EXPECT_EQ(evaluation.queries[0].values[0], 1);
  EXPECT_EQ(evaluation.queries[1].values[0], 1);
  EXPECT_EQ(evaluation.queries[2].values[0], 0) << "right, but its other one is not";
  EXPECT_EQ(evaluation.queries[2].values[2], 1);
  EXPECT_EQ(evaluation.queries[4].values[1], 0.5);
  EXPECT_EQ(evaluation.queries[4].values[0], 0) << "no pair of this measure";
  EXPECT_FALSE(parse_measure("p-MRR@10").ok());
  EXPECT_FALSE(parse_measure("PairedAccuracy(rel=2)").ok());
}

// The example of mteb's own test of p-MRR: from the last of four ranks to the first, and back.
TEST(PMrr, EqualsTheExampleOfMteb) {
  const ChangedPassages changed = {{"a", {"0"}}};
  const auto run = [](const char* og, const char* changed_run) {
    std::string text;
    for (const auto& [query, scores] : {std::pair<std::string, std::string>{"a-og", og}, {"a-changed", changed_run}})
      for (int p = 0; p < 4; ++p) text += query + " Q0 " + std::to_string(p) + " 1 " + scores[p] + " t\n";
    return run_of(text);
  };
  EXPECT_EQ(p_mrr(changed, run("1234", "1234")).mean, 0);
  EXPECT_EQ(p_mrr(changed, run("1234", "4123")).mean, -0.75);
  EXPECT_EQ(p_mrr(changed, run("4123", "1234")).mean, 0.75);
}

TEST(PMrr, MeansOverPassagesThenKeys) {
  // p: d1 from 1 to 2: 1 - 1/2; d2 from 2 to 1: 1/2 - 1. q: d9 is not ranked, behind 2 and behind 1: from 3 to 2.
  const evaluation::Run run = run_of(
      "p-og Q0 d1 1 9 t\np-og Q0 d2 2 8 t\np-changed Q0 d2 1 9 t\np-changed Q0 d1 2 8 t\n"
      "q-og Q0 d1 1 9 t\nq-og Q0 d2 2 8 t\nq-changed Q0 d1 1 9 t\nr-og Q0 d1 1 9 t\n");
  const PairedMeasure measure = p_mrr({{"p", {"d1", "d2"}}, {"q", {"d9"}}, {"r", {"d1"}}, {"s", {"d1"}}}, run);
  ASSERT_EQ(measure.values.size(), 2U);
  EXPECT_EQ(measure.values[0].value, 0);
  EXPECT_DOUBLE_EQ(measure.values[1].value, 2.0 / 3 - 1);
  EXPECT_DOUBLE_EQ(measure.mean, (2.0 / 3 - 1) / 2);
  EXPECT_EQ(measure.incomplete, 2U) << "r has no changed ranking, s none at all";
}

TEST(PMrr, ChangedPassagesAreThoseJudgedOtherwise) {
  const ChangedPassages changed = changed_passages(
      qrels_of("a-og 0 d1 1\na-og 0 d2 1\na-og 0 d3 0\na-changed 0 d1 0\na-changed 0 d2 1\nb-og 0 d1 2\nc-og 0 d4 1\n"
               "c-changed 0 d5 1\n"));
  EXPECT_EQ(changed.size(), 2U) << "b has no changed query";
  EXPECT_EQ(changed.at("a"), std::vector<std::string>{"d1"});
  EXPECT_EQ(changed.at("c"), std::vector<std::string>{"d4"}) << "no judgement is 0";
  EXPECT_EQ(p_mrr({}, evaluation::Run()).mean, 0);
}

}  // namespace
}  // namespace rerank::evaluation
