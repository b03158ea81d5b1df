// rerank run: a first-stage run of a BEIR folder, reranked into a TREC file.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "cli/json_lines.h"
#include "cli/program.h"
#include "support/sanitized.h"

namespace rerank::testing {
namespace {

class Run : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write_set();
  }

  void write_set() const {
    write("set/corpus.jsonl",
          "{\"_id\":\"d1\",\"title\":\"\",\"text\":\"Paris is the capital of France.\"}\n"
          "{\"_id\":\"d2\",\"title\":\"Pandas\",\"text\":\"The giant panda eats bamboo.\"}\n"
          "{\"_id\":\"d3\",\"title\":\"\",\"text\":\"Interest rates rose again.\"}\n");
    write("set/queries.jsonl",
          "{\"_id\":\"q1\",\"text\":\"what does a panda eat?\"}\n"
          "{\"_id\":\"q2\",\"text\":\"capital of France\"}\n"
          "{\"_id\":\"unused\",\"text\":\"nobody asks\"}\n");
    write("set/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td2\t1\nq2\td1\t1\n");
    write("first.trec",
          "q2 Q0 d3 1 9.5 bm25\nq2 Q0 d2 2 9.25 bm25\nq2 Q0 d1 3 9 bm25\n"
          "q1 Q0 d1 1 5 bm25\nq1 Q0 d2 2 4 bm25\n");
  }

  Outcome rerank_set(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run", "--dataset", "set", "--run", "first.trec", "--output", "out.trec"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

  // "q1 d2 1", ...: query, passage and rank of each line of out.trec.
  std::vector<std::string> ranking() const {
    std::vector<std::string> rows;
    std::istringstream stream(read("out.trec"));
    std::string query, q0, passage, rank, score, tag;
    while (stream >> query >> q0 >> passage >> rank >> score >> tag) {
      EXPECT_EQ(q0, "Q0");
      EXPECT_EQ(tag, "rerank");
      rows.push_back(query + " " + passage + " " + rank);
    }
    return rows;
  }
};

TEST_F(Run, SortsTheTopByScoreAndKeepsTheQueriesInOrder) {
  const Outcome outcome = rerank_set();
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  // The query column and the rank column are fixed; which passage stands where is the score's choice.
  std::istringstream stream(read("out.trec"));
  std::vector<std::string> queries_and_ranks;
  std::set<std::string> passages;
  std::string query, q0, passage, rank, tag, last_query;
  for (double score, last_score = 0; stream >> query >> q0 >> passage >> rank >> score >> tag; last_score = score) {
    queries_and_ranks.push_back(query + " " + rank);
    passages.insert(query + " " + passage);
    EXPECT_TRUE(query != last_query || score <= last_score) << query << ' ' << passage;
    last_query = query;
  }
  EXPECT_EQ(queries_and_ranks, (std::vector<std::string>{"q2 1", "q2 2", "q2 3", "q1 1", "q1 2"}));
  EXPECT_EQ(passages, (std::set<std::string>{"q2 d1", "q2 d2", "q2 d3", "q1 d1", "q1 d2"}));
}

TEST_F(Run, GivesThePassagesWithTheirTitlesTheScoresOfScore) {
  ASSERT_EQ(rerank_set().exit, 0);
  const Outcome outcome =
      run({"score", "--input", "-"},
          "{\"query\":\"what does a panda eat?\",\"passage\":\"Pandas The giant panda eats bamboo.\"}\n");
  const std::string score = outcome.out.substr(std::string("{\"index\":0,\"score\":").size());
  const std::string number = score.substr(0, score.find('}'));
  EXPECT_NE(read("out.trec").find(" " + number + " rerank"), std::string::npos) << number << '\n' << read("out.trec");
}

TEST_F(Run, TakesOnlyTheTopOfTheFirstQueries) {
  const Outcome outcome = rerank_set({"--top-k", "2", "--queries", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const auto rows = ranking();
  ASSERT_EQ(rows.size(), 2u) << read("out.trec");
  EXPECT_EQ(rows[0].substr(0, 2), "q2");
  EXPECT_EQ(read("out.trec").find("d1"), std::string::npos) << "third in the first stage";
}

TEST_F(Run, ASplitChoosesTheQueries) {
  write("set/qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td2\t1\n");
  const Outcome dev = rerank_set({"--split", "dev"});
  ASSERT_EQ(dev.exit, 0) << dev.err;
  ASSERT_EQ(ranking().size(), 2u) << read("out.trec");
  EXPECT_EQ(ranking()[0].substr(0, 3), "q1 ");
  EXPECT_NE(dev.err.find("1 queries of the run are not in the split \"dev\""), std::string::npos) << dev.err;

  const Outcome unknown = rerank_set({"--split", "train"});
  EXPECT_EQ(unknown.exit, 1) << unknown.err;
  EXPECT_NE(unknown.err.find("dev, test"), std::string::npos) << unknown.err;

  std::filesystem::remove_all(path("set/qrels"));
  const Outcome none = rerank_set();
  ASSERT_EQ(none.exit, 0) << none.err;
  EXPECT_EQ(ranking().size(), 5u) << "all queries where nothing is judged";
}

TEST_F(Run, IsWhatEvalReads) {
  ASSERT_EQ(rerank_set().exit, 0);
  const Outcome outcome =
      run({"eval", "--qrels", "set/qrels/test.tsv", "--run", "first.trec", "out.trec", "--measures", "P@1,nDCG@10"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("out.trec"), std::string::npos) << outcome.out;
}

TEST_F(Run, ResumeGivesTheFileOfAnUninterruptedRun) {
  ASSERT_EQ(rerank_set().exit, 0);
  const std::string whole = read("out.trec");
  for (std::size_t bytes = 0; bytes <= whole.size(); bytes += kSanitized ? 61 : 7) {
    write("out.trec", whole.substr(0, bytes));
    const Outcome outcome = rerank_set({"--resume"});
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_EQ(read("out.trec"), whole) << bytes;
  }
  ASSERT_EQ(rerank_set({"--resume"}).exit, 0);
  EXPECT_EQ(read("out.trec"), whole);
  std::filesystem::remove(path("out.trec"));
  ASSERT_EQ(rerank_set({"--resume"}).exit, 0);
  EXPECT_EQ(read("out.trec"), whole);
}

TEST_F(Run, KeepsWhatEachQueryTook) {
  ASSERT_EQ(rerank_set().exit, 0);
  const std::vector<nlohmann::json> stats = json_lines(read("out.trec.stats.jsonl"));
  ASSERT_EQ(stats.size(), 2U);
  EXPECT_EQ(stats[0]["query"], "q2");
  EXPECT_EQ(stats[0]["passages"], 3);
  EXPECT_EQ(stats[1]["query"], "q1");
  EXPECT_EQ(stats[1]["passages"], 2);
  for (const nlohmann::json& query : stats) {
    EXPECT_GT(query["seconds"], 0.0);
    EXPECT_GT(query["tokens"], query["passages"].get<int>() * 5);
    EXPECT_EQ(query["tokens_computed"], query["tokens"]) << "a cross-encoder computes them all";
  }
  // Resuming goes on behind its whole lines; of a query that is scored again the report takes the last.
  const std::string whole = read("out.trec.stats.jsonl");
  write("out.trec.stats.jsonl", whole.substr(0, whole.size() - 5));
  ASSERT_EQ(rerank_set({"--resume"}).exit, 0);
  EXPECT_EQ(json_lines(read("out.trec.stats.jsonl")).size(), 2U) << read("out.trec.stats.jsonl");
  const Outcome report = run({"report", "out.trec", "--qrels", "set/qrels/test.tsv", "--output", "r.html"});
  EXPECT_EQ(report.exit, 0) << report.err;

  std::filesystem::remove(path("out.trec.stats.jsonl"));
  EXPECT_EQ(run({"run", "--dataset", "set", "--run", "first.trec", "--output", "-"}).exit, 0);
  EXPECT_FALSE(std::filesystem::exists(path("-.stats.jsonl")));
}

TEST_F(Run, ResumeRefusesWhatIsNotItsOwn) {
  ASSERT_EQ(rerank_set().exit, 0);
  const std::string whole = read("out.trec");
  const auto expect_refused = [&](const std::string& file, std::vector<std::string> more, const std::string& words) {
    write("out.trec", file);
    more.push_back("--resume");
    const Outcome outcome = rerank_set(more);
    EXPECT_EQ(outcome.exit, 1);
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_EQ(read("out.trec"), file);
  };
  expect_refused(whole, {"--normalize"}, "settings.normalize was false, is true");
  std::filesystem::remove(path("out.trec.manifest.json"));
  expect_refused(whole, {"--normalize"}, "has another ranking there than it gets now");
  expect_refused("q9 Q0 d1 1 5 rerank\n", {}, "out.trec:1: \"q9\" is not the next query");
  const std::string first = whole.substr(0, 2), last = first == "q1" ? "q2" : "q1";
  expect_refused(last + " Q0 d1 1 5 rerank\n" + first + " Q0 d1 1 5 rerank\n", {},
                 "out.trec:2: \"" + first + "\" is not the next query");
  expect_refused("\n", {}, "is not the next query");
  const Outcome outcome = run({"run", "--dataset", "set", "--run", "first.trec", "--output", "-", "--resume"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.err.find("--resume needs a file"), std::string::npos) << outcome.err;
}

TEST_F(Run, AnUnknownPassageOrQueryIsNamedWithItsLine) {
  for (const auto& [row, name] :
       {std::pair<std::string, std::string>{"q1 Q0 d9 3 3 bm25\n", "d9"}, {"q9 Q0 d1 1 3 bm25\n", "q9"}}) {
    write("first.trec", "q2 Q0 d1 1 9 bm25\nq1 Q0 d2 2 4 bm25\n" + row);
    const Outcome fails = rerank_set();
    EXPECT_EQ(fails.exit, 1) << fails.err;
    EXPECT_NE(fails.err.find(name), std::string::npos) << fails.err;
    EXPECT_NE(fails.err.find("first.trec line 3"), std::string::npos) << fails.err;

    const Outcome skips = rerank_set({"--on-error", "skip"});
    EXPECT_EQ(skips.exit, 0) << skips.err;
    EXPECT_NE(skips.err.find(name), std::string::npos) << skips.err;
    EXPECT_EQ(ranking(), (std::vector<std::string>{"q2 d1 1", "q1 d2 1"}));
  }
}

TEST_F(Run, UnknownIdsAreNamedInEveryFormOfARun) {
  struct Row {
    std::string text, place;
  };
  const Row rows[] = {
      {"q2\td1\t1\nq1\td9\t1\n", "first.trec line 2: passage \"d9\" is not in corpus.jsonl"},
      {"qid,docid,score\nq2,d1,1\nq9,d1,1\n", "first.trec line 3: query \"q9\" is not in queries.jsonl"},
      {R"({"q2": {"d1": 1}, "q1": {"d9": 2}})", "first.trec: q1.d9: passage \"d9\""}};
  for (const Row& row : rows) {
    write("first.trec", row.text);
    const Outcome outcome = rerank_set();
    EXPECT_EQ(outcome.exit, 1);
    EXPECT_NE(outcome.err.find(row.place), std::string::npos) << outcome.err;
  }
}

TEST_F(Run, AJudgedPassageThatTheCorpusLacksIsNamedWithItsLine) {
  write("set/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td9\t0\n");
  write("first.trec", "q1 Q0 d1 1 3 bm25\n");
  const Outcome fails = rerank_set();
  EXPECT_EQ(fails.exit, 1);
  EXPECT_NE(fails.err.find("test.tsv line 3: judges passage \"d9\" for query \"q1\", which corpus.jsonl lacks"),
            std::string::npos)
      << fails.err;
  const Outcome skips = rerank_set({"--on-error", "skip"});
  EXPECT_EQ(skips.exit, 0) << skips.err;
  EXPECT_NE(skips.err.find("test.tsv line 3"), std::string::npos) << skips.err;
  EXPECT_EQ(ranking(), std::vector<std::string>{"q1 d1 1"});
}

TEST_F(Run, AQueryWithoutAnyKnownPassageIsLeftOut) {
  for (const char* run_file : {"q2 Q0 d1 1 9 bm25\nq1 Q0 d9 2 4 bm25\n", "q1 Q0 d9 2 4 bm25\nq2 Q0 d1 1 9 bm25\n"}) {
    write("first.trec", run_file);
    const Outcome skips = rerank_set({"--on-error", "skip"});
    EXPECT_EQ(skips.exit, 0) << skips.err;
    EXPECT_EQ(ranking(), std::vector<std::string>{"q2 d1 1"});
    EXPECT_EQ(json_lines(read("out.trec.stats.jsonl")).size(), 1U);
  }
  write("first.trec", "q1 Q0 d9 2 4 bm25\n");
  EXPECT_EQ(rerank_set({"--on-error", "skip"}).exit, 0);
  EXPECT_EQ(read("out.trec"), "");
}

TEST_F(Run, BadFilesAreNamed) {
  struct Case {
    const char* why;
    std::string file, text, expected;
  };
  const Case cases[] = {
      {"a run line with too few columns", "first.trec", "q1 Q0 d1 1\n", "first.trec line 1"},
      {"a score that is no number", "first.trec", "q1 Q0 d1 1 high bm25\n", "first.trec line 1"},
      {"an empty run", "first.trec", "", "first.trec"},
      {"a broken query", "set/queries.jsonl", "{\"_id\":\"q1\"}\n", "queries.jsonl line 1"},
      {"a broken passage", "set/corpus.jsonl", "{\"_id\":\"d1\",\"text\":\"a\"}\n{\"_id\":\n", "corpus.jsonl line 2"},
  };
  for (const auto& [why, file, text, expected] : cases) {
    write_set();
    write(file, text);
    const Outcome outcome = rerank_set();
    EXPECT_EQ(outcome.exit, 1) << why << '\n' << outcome.err;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
  }
}

TEST_F(Run, APackedOutputIsRefused) {
  const Outcome outcome = run({"run", "--dataset", "set", "--run", "first.trec", "--output", "out.trec.gz"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.err.find("out.trec.gz: a ranking that is written query by query is not packed"), std::string::npos)
      << outcome.err;
}

TEST_F(Run, AFolderThatIsNoDatasetAndAFullDisk) {
  const Outcome none = run({"run", "--dataset", "nowhere", "--run", "first.trec", "--output", "out.trec"});
  EXPECT_EQ(none.exit, 1) << none.err;
  EXPECT_NE(none.err.find("nowhere"), std::string::npos) << none.err;
  const Outcome full = run({"run", "--dataset", "set", "--run", "first.trec", "--output", "/dev/full"});
  EXPECT_EQ(full.exit, 3) << full.err;
  EXPECT_NE(full.err.find("No space left"), std::string::npos) << full.err;
}

}  // namespace
}  // namespace rerank::testing
