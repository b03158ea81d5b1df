// rerank eval: measures of run files, for people and for programs.
#include <gtest/gtest.h>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Eval : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("qrels.txt", "q1 0 a 1\nq1 0 b 0\nq2 0 c 2\nq2 0 d 1\n");
    write("good.trec", "q1 Q0 a 1 3 x\nq1 Q0 b 2 2 x\nq2 Q0 c 1 9 x\nq2 Q0 d 2 8 x\n");
    write("bad.trec", "q1 Q0 b 1 3 x\nq1 Q0 a 2 2 x\nq2 Q0 e 1 9 x\nq2 Q0 c 2 8 x\n");
  }
};

TEST_F(Eval, OneJsonLineARun) {
  const Outcome outcome = run({"eval", "--qrels", "qrels.txt", "--run", "good.trec", "bad.trec", "--measures",
                               "P@1,MRR@10,Recall@100,MAP,nDCG@10", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"run\":\"good.trec\",\"queries\":2,\"missing_from_run\":0,\"not_judged\":0,\"measures\":{\"P@1\":1.0,"
            "\"MRR@10\":1.0,\"Recall@100\":1.0,"
            "\"MAP\":1.0,\"nDCG@10\":1.0}}\n"
            "{\"run\":\"bad.trec\",\"queries\":2,\"missing_from_run\":0,\"not_judged\":0,\"measures\":{\"P@1\":0.0,"
            "\"MRR@10\":0.5,\"Recall@100\":0.75,"
            "\"MAP\":0.375,\"nDCG@10\":0.5552773433538603}}\n");
}

TEST_F(Eval, ATableForPeople) {
  const Outcome outcome =
      run({"eval", "--qrels", "qrels.txt", "--run", "good.trec", "--run", "bad.trec", "--measures", "P@1,MAP"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "run        queries     P@1     MAP\n"
            "good.trec        2  1.0000  1.0000\n"
            "bad.trec         2  0.0000  0.3750\n");
}

TEST_F(Eval, QueryByQuery) {
  const Outcome people =
      run({"eval", "--qrels", "qrels.txt", "--run", "bad.trec", "--measures", "P@1,MAP", "--per-query"});
  ASSERT_EQ(people.exit, 0) << people.err;
  EXPECT_EQ(people.out,
            "run       query     P@1     MAP\n"
            "bad.trec  q1     0.0000  0.5000\n"
            "bad.trec  q2     0.0000  0.2500\n"
            "bad.trec  all    0.0000  0.3750\n");
  const Outcome programs =
      run({"eval", "--qrels", "qrels.txt", "--run", "bad.trec", "--measures", "MAP", "--per-query", "--json"});
  ASSERT_EQ(programs.exit, 0) << programs.err;
  EXPECT_EQ(programs.out,
            "{\"run\":\"bad.trec\",\"queries\":2,\"missing_from_run\":0,\"not_judged\":0,\"measures\":{\"MAP\":0.375},"
            "\"per_query\":{\"q1\":{\"MAP\":0.5},\"q2\":{\"MAP\":0.25}}}\n");
}

TEST_F(Eval, MeasuresOfPairedQueries) {
  write("qrels.txt", "1_q1 0 a 1\n1_q2 0 b 1\nk-og 0 a 1\nk-changed 0 a 0\n");
  write("run.trec",
        "1_q1 Q0 a 1 2 x\n1_q2 Q0 b 1 2 x\nk-og Q0 a 1 2 x\nk-og Q0 b 2 1 x\nk-changed Q0 b 1 2 x\n"
        "k-changed Q0 a 2 1 x\n");
  const Outcome outcome =
      run({"eval", "--qrels", "qrels.txt", "--run", "run.trec", "--measures", "PairedAccuracy,p-MRR", "--per-query"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "run       query      PairedAccuracy   p-MRR\n"
            "run.trec  1_q1               1.0000  0.0000\n"
            "run.trec  1_q2               1.0000  0.0000\n"
            "run.trec  k-og               0.0000  0.5000\n"
            "run.trec  k-changed          0.0000  0.5000\n"
            "run.trec  all                1.0000  0.5000\n");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"compare", "run.trec", "run.trec", "--qrels", "qrels.txt", "--measures", "p-MRR"},
        {"report", "run.trec", "--qrels", "qrels.txt", "--measures", "p-MRR", "--output", "r.html"}}) {
    const Outcome refused = run(arguments);
    EXPECT_EQ(refused.exit, 1);
    EXPECT_NE(refused.err.find("p-MRR is of two queries together"), std::string::npos) << refused.err;
  }
}

TEST_F(Eval, TheUsualMeasuresAreTheDefault) {
  const Outcome outcome = run({"eval", "--qrels", "qrels.txt", "--run", "good.trec"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out.substr(0, outcome.out.find('\n')),
            "run        queries  nDCG@10  MRR@10     P@1  Recall@100     MAP");
}

TEST_F(Eval, BadInputIsNamed) {
  write("cut.trec", "q1 Q0 a 1 3 x\nq1 Q0\n");
  write("twice.trec", "q1 Q0 a 1 3 x\nq1 Q0 a 2 2 x\n");
  write("cut.txt", "q1 0 a\n");
  struct Case {
    const char* why;
    std::string qrels, run, measures, expected;
  };
  const Case cases[] = {
      {"no such qrels", "none.txt", "good.trec", "MAP", "none.txt"},
      {"no such run", "qrels.txt", "none.trec", "MAP", "none.trec"},
      {"a cut run line", "qrels.txt", "cut.trec", "MAP", "cut.trec line 2"},
      {"a passage twice", "qrels.txt", "twice.trec", "MAP", "twice.trec line 2"},
      {"a cut qrels line", "cut.txt", "good.trec", "MAP", "cut.txt line 1"},
      {"an unknown measure", "qrels.txt", "good.trec", "MAP,Fame@3", "Fame@3"},
      {"a measure without its cut", "qrels.txt", "good.trec", "P@", "P@"},
  };
  for (const auto& [why, qrels, run_file, measures, expected] : cases) {
    const Outcome outcome = run({"eval", "--qrels", qrels, "--run", run_file, "--measures", measures});
    EXPECT_EQ(outcome.exit, 1) << why << '\n' << outcome.err;
    EXPECT_EQ(outcome.out, "") << why;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
  }
}

TEST_F(Eval, LeavesOutBadLinesOnlyWhenAsked) {
  write("some.trec", "q1 Q0 a 1 nan x\nq1 Q0 a 1 3 x\nq2 Q0 c 1 9 x\nq2 Q0 c 2 8 x\n");
  const Outcome outcome =
      run({"eval", "--qrels", "qrels.txt", "--run", "some.trec", "--measures", "P@1", "--on-error", "skip"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.out, "run        queries     P@1\nsome.trec        2  1.0000\n");
  EXPECT_NE(outcome.err.find("some.trec line 1: score is \"nan\""), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("some.trec line 4: query q2 and passage c"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("2 bad lines skipped"), std::string::npos) << outcome.err;
}

TEST_F(Eval, ScoresThatRiseFromRankToRankAreUsedOnlyWhenAsked) {
  write("rising.trec", "q1 Q0 b 1 1 x\nq1 Q0 a 2 2 x\n");
  std::vector<std::string> arguments = {"eval", "--qrels", "qrels.txt", "--run", "rising.trec", "--measures", "P@1"};
  const Outcome refused = run(arguments);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("rising.trec line 2: query q1 has score 2 at rank 2, and 1 at rank 1 in line 1"),
            std::string::npos)
      << refused.err;
  arguments.insert(arguments.end(), {"--on-error", "skip"});
  const Outcome used = run(arguments);
  EXPECT_EQ(used.exit, 0) << used.err;
  write("flat.trec", "q1 Q0 b 1 1 x\nq1 Q0 a 1 2 x\n");
  arguments[4] = "flat.trec";
  const auto mean = [](const std::string& table) { return table.substr(table.rfind(' ')); };
  EXPECT_EQ(mean(used.out), mean(run(arguments).out)) << "its scores count";
}

TEST_F(Eval, RunsOfOtherQueriesAreRefused) {
  write("other.trec", "z1 Q0 a 1 3 x\n");
  const Outcome outcome = run({"eval", "--qrels", "qrels.txt", "--run", "other.trec"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.err.find("other.trec line 1: ranks none of the 2 judged queries"), std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace rerank::testing
