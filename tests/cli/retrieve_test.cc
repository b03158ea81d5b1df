// rerank retrieve: a first stage from a corpus and queries, in all their forms.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/program.h"
#include "support/shared_data.h"

namespace rerank::testing {
namespace {

class Retrieve : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("corpus.tsv", "d1\tThe giant panda eats bamboo.\nd2\tPandas live in China.\nd3\tRed cars are fast.\n");
    write("topics.tsv", "q1\twhat do pandas eat\nq2\tfast car\nq3\tzebra\n");
  }
  Outcome retrieve(const std::string& corpus, const std::string& topics, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"retrieve", "--corpus", corpus, "--topics",
                                          topics,     "--output", "-",    "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
};

// The queries and passages of a run, without the scores: "q1:d1,d2 q2:d3".
std::string ranked(const std::string& run) {
  std::istringstream lines(run);
  std::string query, q0, passage, rank, score, tag, text, last;
  while (lines >> query >> q0 >> passage >> rank >> score >> tag) {
    EXPECT_EQ(tag, "bm25");
    text += query == last ? "," : (text.empty() ? "" : " ") + query + ":";
    text += passage;
    last = query;
  }
  return text;
}

TEST_F(Retrieve, RanksByWordsInEveryForm) {
  const Outcome outcome = retrieve("corpus.tsv", "topics.tsv");
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(ranked(outcome.out), "q1:d1,d2 q2:d3");
  write("corpus.jsonl",
        "{\"_id\":\"d1\",\"text\":\"The giant panda eats bamboo.\"}\n{\"_id\":\"d2\",\"text\":\"Pandas live in "
        "China.\"}\n"
        "{\"_id\":\"d3\",\"title\":\"Red\",\"text\":\"cars are fast.\"}\n");
  write("topics.xml",
        "<top>\n<num> Number: q1\n<title> what do pandas eat\n</top>\n<top>\n<num> q2\n<title> fast car\n</top>\n"
        "<top><num>q3</num>\n<title>zebra\n</top>\n");
  EXPECT_EQ(retrieve("corpus.jsonl", "topics.xml").out, outcome.out);
  std::filesystem::create_directories(path("notes"));
  write("notes/d1.txt", "The giant panda eats bamboo.");
  write("notes/d2.md", "Pandas live in China.");
  write("notes/d3.txt", "Red cars are fast.");
  EXPECT_EQ(ranked(retrieve("notes", "topics.tsv").out), "q1:d1.txt,d2.md q2:d3.txt");
  EXPECT_EQ(ranked(retrieve("corpus.tsv", "topics.tsv", {"--top-k", "1"}).out), "q1:d1 q2:d3");
  EXPECT_EQ(ranked(retrieve("corpus.tsv", "topics.tsv", {"--analyzer", "neutral"}).out), "q1:d2 q2:d3");
  ASSERT_EQ(run({"retrieve", "--corpus", "corpus.tsv", "--topics", "topics.tsv", "--output", "r.trec.zst"}).exit, 0);
  ASSERT_EQ(run({"convert", "--run", "r.trec.zst", "--to", "trec", "--output", "r.trec"}).exit, 0);
  std::string unpacked = outcome.out;  // whose tag is another
  for (std::size_t at = unpacked.find(" bm25\n"); at != unpacked.npos; at = unpacked.find(" bm25\n", at))
    unpacked.replace(at, 6, " r.trec\n");
  EXPECT_EQ(read("r.trec"), unpacked);
  write("zh.tsv", "d1\t北京大学\nd2\t上海\n");
  write("zh-topics.tsv", "q\t北京\n");
  EXPECT_EQ(ranked(retrieve("zh.tsv", "zh-topics.tsv", {"--analyzer", "cjk"}).out), "q:d1");
}

TEST_F(Retrieve, NamesBadInputAndLeavesItOutWhenAsked) {
  write("bad.tsv", "d1\tpanda\nd2\nd3\tpanda\n");
  const Outcome stopped = retrieve("bad.tsv", "topics.tsv");
  EXPECT_EQ(stopped.exit, 1);
  EXPECT_NE(stopped.err.find("bad.tsv line 2: has 1 columns, expected 2"), std::string::npos) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  const Outcome skipped =
      run({"retrieve", "--corpus", "bad.tsv", "--topics", "topics.tsv", "--output", "r.trec", "--on-error", "skip"});
  EXPECT_EQ(skipped.exit, 0) << skipped.err;
  EXPECT_NE(skipped.err.find("1 bad line skipped"), std::string::npos) << skipped.err;
  EXPECT_EQ(ranked(read("r.trec")), "q1:d3,d1");
  struct Row {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Row rows[] = {
      {{"--corpus", "corpus.tsv"}, "--dataset is required, or both --corpus and --topics"},
      {{"--corpus", "none.tsv", "--topics", "topics.tsv"}, "none.tsv"},
      {{"--corpus", "corpus.tsv", "--topics", "none.tsv"}, "none.tsv"},
      {{"--corpus", "/dev/zero", "--topics", "topics.tsv"}, "is read twice, which a pipe cannot be"},
      {{"--corpus", "corpus.tsv", "--topics", "topics.tsv", "--output", "corpus.tsv"}, "is also the input"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"retrieve"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    if (arguments.back() != "corpus.tsv" || arguments.size() == 3) arguments.insert(arguments.end(), {"--output", "-"});
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find(row.message), std::string::npos) << outcome.err;
  }
  EXPECT_NE(read("corpus.tsv"), "");
}

TEST_F(Retrieve, APassageThatIsThereTwiceIsNamedAndRankedOnce) {
  write("twice.tsv", "d1\tpandas eat\nd2\tcars\nd1\tpandas\n");
  const Outcome stopped = retrieve("twice.tsv", "topics.tsv");
  EXPECT_EQ(stopped.exit, 1);
  EXPECT_EQ(stopped.out, "");
  EXPECT_NE(stopped.err.find("twice.tsv line 3: _id \"d1\" stands in an earlier line already"), std::string::npos)
      << stopped.err;
  const Outcome skipped = retrieve("twice.tsv", "topics.tsv", {"--on-error", "skip"});
  EXPECT_EQ(skipped.exit, 0) << skipped.err;
  EXPECT_EQ(ranked(skipped.out), "q1:d1 q2:d2");
}

// BM25 on SciFact as published for Anserini's flat index (BEIR's regressions): nDCG@10 0.679.
TEST_F(Retrieve, ReachesThePublishedFigureOnScifact) {
  RERANK_NEED_SHARED("data");
  const std::string data = (shared_dir() / "data" / "scifact").string();
  const Outcome outcome = run({"retrieve", "--dataset", data, "--output", "bm25.trec", "--quiet"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const Outcome measured =
      run({"eval", "--qrels", data + "/qrels/test.tsv", "--run", "bm25.trec", "--measures", "nDCG@10", "--json"});
  ASSERT_EQ(measured.exit, 0) << measured.err;
  const std::size_t at = measured.out.find("\"nDCG@10\":");
  ASSERT_NE(at, std::string::npos) << measured.out;
  EXPECT_NEAR(std::stod(measured.out.substr(at + 10)), 0.679, 0.005);
}

// A run over a folder of texts, all the way.
TEST_F(Retrieve, FeedsRun) {
  ASSERT_EQ(
      run({"retrieve", "--corpus", "corpus.tsv", "--topics", "topics.tsv", "--output", "bm25.trec", "--quiet"}).exit,
      0);
  const Outcome outcome = run(
      {"run", "--corpus", "corpus.tsv", "--topics", "topics.tsv", "--run", "bm25.trec", "--output", "-", "--quiet"});
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("q1 Q0 d1 1 "), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace rerank::testing
