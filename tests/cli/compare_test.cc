// rerank compare: runs beside a first one, with paired tests.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace rerank::testing {
namespace {

// Eight queries with one relevant passage each, at these ranks.
class Compare : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    std::string qrels;
    for (int q = 0; q < 8; ++q) qrels += fmt::format("q{} 0 rel 1\n", q);
    write("qrels.txt", qrels);
    write("a.trec", run_with({1, 2, 2, 4, 1, 2, 3, 1}));
    write("b.trec", run_with({1, 1, 1, 2, 1, 1, 2, 2}));
  }
  static std::string run_with(const std::vector<int>& ranks) {
    std::string text;
    for (std::size_t q = 0; q < ranks.size(); ++q)
      for (int rank = 1; rank <= 4; ++rank)
        text +=
            fmt::format("q{} Q0 {} {} {} t\n", q, rank == ranks[q] ? "rel" : fmt::format("x{}", rank), rank, 9 - rank);
    return text;
  }
};

TEST_F(Compare, ATableForPeople) {
  const Outcome outcome =
      run({"compare", "a.trec", "b.trec", "--qrels", "qrels.txt", "--measures", "RR,P@1", "--per-query", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  // The p values are scipy's ttest_rel of the reciprocal ranks and of the hits at 1.
  EXPECT_EQ(outcome.out,
            "measure  run       mean  change  95% interval      better  same  worse       p  p holm\n"
            "RR       a.trec  0.6354\n"
            "RR       b.trec  0.8125 +0.1771 [-0.1124,+0.4666]       5     2      1  0.1913  0.3826\n"
            "  query q1: 0.5000 -> 1.0000\n"
            "  query q7: 1.0000 -> 0.5000\n"
            "P@1      a.trec  0.3750\n"
            "P@1      b.trec  0.6250 +0.2500 [-0.3412,+0.8412]       3     4      1  0.3506  0.3826\n"
            "  query q1: 0.0000 -> 1.0000\n"
            "  query q7: 1.0000 -> 0.0000\n");
}

TEST_F(Compare, JsonLines) {
  const Outcome outcome = run({"compare", "a.trec", "b.trec", "a.trec", "--qrels", "qrels.txt", "--measures", "RR",
                               "--test", "permutation", "--correction", "bonferroni", "--json", "--per-query", "2"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const std::size_t end = outcome.out.find('\n');
  const auto first = nlohmann::json::parse(outcome.out.substr(0, end));
  const auto second = nlohmann::json::parse(outcome.out.substr(end + 1));
  EXPECT_EQ(first["run"], "b.trec");
  EXPECT_EQ(first["baseline"], "a.trec");
  EXPECT_EQ(first["better"], 5);
  // Of the 64 exchanges of the six queries that differ.
  EXPECT_DOUBLE_EQ(first["p"], 0.25);
  EXPECT_DOUBLE_EQ(first["p_corrected"], 0.5);
  EXPECT_EQ(first["gains"].size(), 2U);
  EXPECT_EQ(first["losses"], nlohmann::json::parse(R"([{"query":"q7","baseline":1.0,"value":0.5}])"));
  EXPECT_EQ(second["run"], "a.trec");
  EXPECT_EQ(second["p"], 1.0);
  EXPECT_EQ(second["same"], 8);
}

TEST_F(Compare, StarsWhatIsSignificant) {
  write("worst.trec", run_with({4, 4, 4, 4, 4, 4, 4, 4}));
  for (const char* test : {"t", "wilcoxon", "permutation"}) {
    const Outcome outcome = run({"compare", "b.trec", "worst.trec", "--qrels", "qrels.txt", "--measures", "RR",
                                 "--test", test, "--correction", "none"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_NE(outcome.out.find(" *\n"), std::string::npos) << outcome.out;
  }
}

TEST_F(Compare, RefusesWhatCannotBeCompared) {
  write("other.trec", "x1 Q0 rel 1 3 t\n");
  struct Row {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Row rows[] = {
      {{"a.trec"}, "needs at least two runs"},
      {{"a.trec", "none.trec"}, "none.trec"},
      {{"a.trec", "other.trec"}, "other.trec line 1: ranks none of the 8 judged queries: its first is \"x1\""},
      {{"a.trec", "b.trec", "--test", "z"}, "--test"},
      {{"a.trec", "b.trec", "--correction", "z"}, "--correction"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"compare", "--qrels", "qrels.txt"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find(row.message), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace rerank::testing
