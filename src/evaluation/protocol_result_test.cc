#include "evaluation/protocol_result.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace rerank::evaluation {
namespace {

const Protocol& protocol(const char* name) {
  return *find_protocol(name).value();
}
evaluation::Run run_of(std::string_view text) {
  return read_run(io::LineReader::over(text, "run")).value();
}
double value(const Protocol& protocol, const std::vector<double>& values, std::string_view name) {
  const auto at = std::find(protocol.measures.begin(), protocol.measures.end(), name);
  EXPECT_NE(at, protocol.measures.end()) << name;
  return values.at(static_cast<std::size_t>(at - protocol.measures.begin()));
}

// q1 has its passage at rank 2, q2 at rank 1, q3 is not ranked.
TEST(ProtocolResult, MeansAreOverRankedQueriesAndRounded) {
  ProtocolData data;
  data.qrels = read_qrels(io::LineReader::over("q1 0 a 1\nq2 0 b 1\nq3 0 c 1\n", "qrels")).value();
  const evaluation::Run run = run_of("q1 Q0 x 1 2 t\nq1 Q0 a 2 1 t\nq2 Q0 b 1 2 t\n");
  const Protocol& lb = protocol("lb-beir");
  const std::vector<double> values = measure(lb, data, run);
  ASSERT_EQ(values.size(), lb.measures.size());
  // >>> round((1 / math.log2(3) + 1) / 2, 5)
  EXPECT_EQ(value(lb, values, "nDCG@10"), 0.81546);
  EXPECT_EQ(value(lb, values, "MAP@10"), 0.75);
  EXPECT_EQ(value(lb, values, "P@3"), 0.33333);
  EXPECT_EQ(value(lb, values, "Recall@1"), 0.5);
  const Protocol& flag = protocol("flagembedding-beir");
  EXPECT_EQ(value(flag, measure(flag, data, run), "MRR@10"), 0.5) << "over all three";
  EXPECT_EQ(value(flag, measure(flag, data, run), "nDCG@10"), 0.81546);
}

TEST(ProtocolResult, PairsOfQueries) {
  ProtocolData data;
  data.qrels = read_qrels(io::LineReader::over("1_q1 0 a 1\n1_q2 0 b 1\n", "qrels")).value();
  const Protocol& nevir = protocol("nevir");
  const auto right = run_of("1_q1 Q0 a 1 2 t\n1_q1 Q0 b 1 1 t\n1_q2 Q0 b 1 2 t\n1_q2 Q0 a 1 1 t\n");
  const auto same = run_of("1_q1 Q0 a 1 2 t\n1_q1 Q0 b 1 1 t\n1_q2 Q0 a 1 2 t\n1_q2 Q0 b 1 1 t\n");
  EXPECT_EQ(value(nevir, measure(nevir, data, right), "PairedAccuracy"), 1);
  EXPECT_EQ(value(nevir, measure(nevir, data, same), "PairedAccuracy"), 0);
  EXPECT_EQ(value(nevir, measure(nevir, data, same), "Recall@1"), 0.5);

  const Protocol& follow = protocol("mfollowir");
  data.qrels = read_qrels(io::LineReader::over("1-og 0 a 1\n1-changed 0 b 1\n1-changed 0 a 0\n", "qrels")).value();
  data.changed = {{"1", {"a"}}};
  const auto values =
      measure(follow, data, run_of("1-og Q0 a 1 2 t\n1-og Q0 b 1 1 t\n1-changed Q0 b 1 2 t\n1-changed Q0 a 1 1 t\n"));
  EXPECT_EQ(value(follow, values, "p-MRR"), 0.5) << "a falls from 1 to 2";
  EXPECT_EQ(value(follow, values, "nDCG@20-og"), 1);
  EXPECT_EQ(value(follow, values, "nDCG@20-changed"), 1);
  const auto stays =
      measure(follow, data, run_of("1-og Q0 a 1 2 t\n1-og Q0 b 1 1 t\n1-changed Q0 a 1 2 t\n1-changed Q0 b 1 1 t\n"));
  EXPECT_EQ(value(follow, stays, "p-MRR"), 0);
  EXPECT_EQ(value(follow, stays, "nDCG@20-changed"), 0.63093) << "1 / log2(3)";
  EXPECT_EQ(value(follow, stays, "nDCG@20"), 0.81546);
}

TEST(ProtocolResult, PartsOfADataSetCountOnce) {
  const Protocol& flag = protocol("flagembedding-beir");
  const std::vector<ProtocolRow> rows = {{"cqadupstack/tex", 2, 20, {0.1}, {0.2}},
                                         {"fiqa", 1, 10, {0.5}, {0.8}},
                                         {"cqadupstack/gis", 3, 30, {0.2}, {0.4}}};
  const std::vector<ProtocolRow> joined = with_parts_joined(flag, rows);
  ASSERT_EQ(joined.size(), 2U);
  EXPECT_EQ(joined[0].dataset, "cqadupstack");
  EXPECT_EQ(joined[0].queries, 5U);
  EXPECT_EQ(joined[0].reranked[0], 0.3);
  EXPECT_EQ(joined[0].first_stage[0], 0.15);
  const ProtocolRow mean = mean_of(flag, joined);
  EXPECT_EQ(mean.reranked[0], 0.55);
  EXPECT_EQ(mean.pairs, 60U);
  EXPECT_TRUE(mean_of(flag, {joined[0], {"nq", 1, 1, {}, {0.1}}}).first_stage.empty());
}

TEST(ProtocolResult, ThePublishedMeanIsOfTheSameDataSets) {
  const Protocol& lb = protocol("lb-beir");
  const PublishedTable& table = lb.published[0];
  EXPECT_NEAR(*published_mean(lb, table, 0, {{"scifact", 1, 1, {}, {}}, {"fiqa", 1, 1, {}, {}}}), (.73650 + .43723) / 2,
              1e-12);
  EXPECT_EQ(published_mean(lb, table, 0, {{"scifact", 1, 1, {}, {}}, {"mine", 1, 1, {}, {}}}), std::nullopt);
  std::vector<ProtocolRow> all;
  for (const std::string_view dataset : lb.datasets) all.push_back({std::string(dataset), 1, 1, {}, {}});
  EXPECT_NEAR(*published_mean(lb, table, 0, all), .45277, 5e-6);
  const Protocol& nevir = protocol("nevir");
  EXPECT_EQ(published_mean(nevir, nevir.published[0], 2, {{"NevIR", 1, 1, {}, {}}}), 65.1);
}

}  // namespace
}  // namespace rerank::evaluation
