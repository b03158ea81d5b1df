// rerank fuse: run files in, a run file out. How scores are added, src/evaluation/fusion_test.cc.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Fuse : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("words.trec", words_);
    write("model.json", R"({"q1": {"d1": -1.0, "d2": 2.0}, "q2": {"d3": 3.0, "d4": -3.0}})");
  }
  const std::string words_ = "q1 Q0 d1 1 8 bm25\nq1 Q0 d2 2 6 bm25\nq2 Q0 d3 1 5 bm25\nq2 Q0 d4 2 4 bm25\n";
  Outcome fuse(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "fuse");
    return run(arguments);
  }
};

TEST_F(Fuse, AddsScoresOfRunsInAnyForm) {
  const Outcome outcome = fuse({"words.trec", "model.json", "--weights", "1,0.5", "--output", "-"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "q1 Q0 d1 1 0.5 zscore\nq1 Q0 d2 2 -0.5 zscore\n"
            "q2 Q0 d3 1 1.5 zscore\nq2 Q0 d4 2 -1.5 zscore\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Fuse, WritesAPackedFileThatEvalReads) {
  write("qrels.txt", "q1 0 d1 1\nq2 0 d3 1\n");
  const Outcome outcome =
      fuse({"words.trec", "model.json", "--method", "rrf", "--top-k", "1", "--output", "fused.trec.gz"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const Outcome measured = run({"eval", "--qrels", "qrels.txt", "--run", "fused.trec.gz", "--measures", "P@1,P@2"});
  EXPECT_EQ(measured.exit, 0) << measured.err;
  // At equal sums the larger id comes first: d2 in q1.
  EXPECT_NE(measured.out.find("0.5000  0.2500"), std::string::npos) << measured.out;
}

TEST_F(Fuse, SaysWhichRunLacksQueries) {
  write("half.trec", "q2 Q0 d4 1 1 t\n");
  const Outcome outcome = fuse({"words.trec", "half.trec", "--output", "-"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.err, "rerank: half.trec: lacks 1 of 2 queries, which the other runs rank alone\n");
}

TEST_F(Fuse, RefusesWhatCannotBeMeant) {
  write("other.trec", "x Q0 d1 1 1 t\n");
  write("bad.trec", "q1 Q0 d1 1 high t\nq1 Q0 d2 2 1 t\n");
  struct Case {
    std::vector<std::string> arguments;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {{"words.trec"}, "needs at least two runs"},
           {{"words.trec", "model.json", "--weights", "1"}, "--weights: has 1 for 2 runs"},
           {{"words.trec", "model.json", "--weights", "1,-1"}, "--weights: has one that is no number from 0 upwards"},
           {{"words.trec", "model.json", "--weights", "1,nan"}, "--weights: has one that is no number from 0 upwards"},
           {{"words.trec", "model.json", "--method", "max"}, "--method"},
           {{"words.trec", "other.trec"}, "other.trec: has no query in common with words.trec"},
           {{"words.trec", "bad.trec"}, "bad.trec line 1"},
           {{"words.trec", "missing.trec"}, "missing.trec"}}) {
    std::vector<std::string> arguments = c.arguments;
    arguments.insert(arguments.end(), {"--output", "out.trec"});
    const Outcome outcome = fuse(arguments);
    EXPECT_EQ(outcome.exit, 1) << c.message;
    EXPECT_NE(outcome.err.find(c.message), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("out.trec"))) << c.message;
  }
  const Outcome onto_itself = fuse({"words.trec", "model.json", "--output", "words.trec"});
  EXPECT_EQ(onto_itself.exit, 1);
  EXPECT_EQ(read("words.trec"), words_);
}

TEST_F(Fuse, LeavesBadLinesOutWhenTold) {
  write("bad.trec", "q1 Q0 d1 1 high t\nq1 Q0 d2 2 1 t\n");
  const Outcome outcome = fuse({"words.trec", "bad.trec", "--on-error", "skip", "--output", "-"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_NE(outcome.err.find("bad.trec line 1"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("q1 Q0 d1 1 1 zscore\n", 0), 0U) << outcome.out;
}

}  // namespace
}  // namespace rerank::testing
