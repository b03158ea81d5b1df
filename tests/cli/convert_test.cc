// rerank convert: what it writes is read by the other commands. What each form looks like, src/evaluation tests.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/json_lines.h"
#include "cli/program.h"

namespace rerank::testing {
namespace {

class Convert : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("first.trec", "q1 Q0 d1 1 3.5 t\nq1 Q0 d2 2 3.25 t\nq2 Q0 d2 1 1 t\n");
    write("qrels.txt", "q1 0 d2 1\nq2 0 d2 2\n");
    write("topics.xml",
          "<top>\n<num> Number: q1\n<title> what do pandas eat\n</top>\n<top>\n<num> q2\n<title> cars\n</top>\n");
    write("corpus.tsv", "d1\tPandas eat bamboo.\nd2\tCars use roads.\n");
  }
  Outcome convert(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "convert");
    return run(arguments);
  }
  std::string measured(const std::string& qrels, const std::string& run_file) const {
    const Outcome outcome = run({"eval", "--qrels", qrels, "--run", run_file, "--json", "--measures", "nDCG@10,RR"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return outcome.exit == 0 ? nlohmann::json::parse(outcome.out)["measures"].dump() : outcome.err;
  }
};

TEST_F(Convert, EveryFormOfARunAndOfJudgementsMeasuresTheSame) {
  const std::string whole = measured("qrels.txt", "first.trec");
  for (const char* form : {"trec", "msmarco", "json", "flagembedding", "mteb", "rank_llm", "csv", "tsv"})
    for (const std::string end : {"", ".gz", ".zst"}) {
      const Outcome outcome = convert({"--run", "first.trec", "--to", form, "--output", "run" + end});
      ASSERT_EQ(outcome.exit, 0) << outcome.err;
      EXPECT_EQ(measured("qrels.txt", "run" + end), whole) << form << end;
    }
  for (const char* form : {"trec", "beir", "json", "flagembedding", "csv", "tsv"}) {
    ASSERT_EQ(convert({"--qrels", "qrels.txt", "--to", form, "--output", "qrels.new"}).exit, 0) << form;
    EXPECT_EQ(measured("qrels.new", "first.trec"), whole) << form;
  }
}

TEST_F(Convert, MakesAFolderInBeirFormThatRunTakes) {
  std::filesystem::create_directories(path("set/qrels"));
  ASSERT_EQ(convert({"--corpus", "corpus.tsv", "--to", "beir", "--output", "set/corpus.jsonl.zst"}).exit, 0);
  ASSERT_EQ(convert({"--topics", "topics.xml", "--to", "beir", "--output", "set/queries.jsonl"}).exit, 0);
  ASSERT_EQ(convert({"--qrels", "qrels.txt", "--to", "beir", "--output", "set/qrels/test.tsv.gz"}).exit, 0);
  const Outcome outcome = run({"run", "--dataset", "set", "--split", "test", "--run", "first.trec", "--output", "-"});
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  const Outcome same =
      run({"run", "--corpus", "corpus.tsv", "--topics", "topics.xml", "--run", "first.trec", "--output", "-"});
  EXPECT_EQ(outcome.out, same.out);
}

TEST_F(Convert, RankLlmsRequestsHoldAllThatRunNeeds) {
  const Outcome made = convert({"--run", "first.trec", "--topics", "topics.xml", "--corpus", "corpus.tsv", "--to",
                                "rank_llm", "--output", "requests.jsonl"});
  ASSERT_EQ(made.exit, 0) << made.err;
  const auto lines = json_lines(read("requests.jsonl"));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["query"]["text"], "what do pandas eat");
  EXPECT_EQ(lines[0]["candidates"][1]["doc"]["text"], "Cars use roads.");
  const Outcome reranked = run({"run", "--corpus", "requests.jsonl", "--topics", "requests.jsonl", "--run",
                                "requests.jsonl", "--output", "-", "--quiet"});
  EXPECT_EQ(reranked.exit, 0) << reranked.err;
  EXPECT_EQ(
      reranked.out,
      run({"run", "--corpus", "corpus.tsv", "--topics", "topics.xml", "--run", "first.trec", "--output", "-"}).out);
}

TEST_F(Convert, RefusesWhatTheFormCannotHoldUnlessToldToLeaveItOut) {
  write("lines.jsonl", "{\"_id\":\"a\",\"text\":\"one\"}\n{\"_id\":\"b\",\"text\":\"two\\nlines\"}\n");
  const std::vector<std::string> arguments = {"--corpus", "lines.jsonl", "--to", "msmarco", "--output", "out.tsv"};
  const Outcome refused = convert(arguments);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("lines.jsonl line 2: the text of \"b\" holds a tab or a line end"), std::string::npos)
      << refused.err;
  std::vector<std::string> skipping = arguments;
  skipping.insert(skipping.end(), {"--on-error", "skip"});
  EXPECT_EQ(convert(skipping).exit, 0);
  EXPECT_EQ(read("out.tsv"), "a\tone\n");
}

TEST_F(Convert, SaysWhatIsWrongWithItsArguments) {
  struct Row {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Row rows[] = {
      {{"--to", "json", "--output", "-"}, "needs one of --run, --qrels, --topics and --corpus"},
      {{"--qrels", "qrels.txt", "--run", "first.trec", "--to", "json", "--output", "-"}, "needs one of"},
      {{"--qrels", "qrels.txt", "--to", "mteb", "--output", "-"},
       "\"mteb\" is no form of these (there are trec, beir, json, flagembedding, csv, tsv)"},
      {{"--run", "none.trec", "--to", "json", "--output", "-"}, "none.trec"},
      {{"--run", "first.trec", "--to", "json", "--output", "first.trec"}, "is also the input"},
  };
  for (const Row& row : rows) {
    const Outcome outcome = convert(row.arguments);
    EXPECT_EQ(outcome.exit, 1) << row.message;
    EXPECT_NE(outcome.err.find(row.message), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace rerank::testing
