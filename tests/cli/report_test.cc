// rerank report: one HTML file with all its data inside.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Report : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write("corpus.tsv", "d1\tpandas </script><b>eat</b> bamboo\nd2\tcars\n");
    write("topics.tsv", "q1\twhat do pandas eat\nq2\tcars & roads\n");
    write("qrels.txt", "q1 0 d1 1\nq2 0 d2 2\nq2 0 d1 0\n");
    write("a.trec", "q1 Q0 d2 1 0.9 t\nq1 Q0 d1 2 0.2 t\nq2 Q0 d2 1 0.7 t\n");
    write("b.trec", "q1 Q0 d1 1 5 t\nq1 Q0 d2 2 -1 t\n");
  }
  nlohmann::json data_in(const std::string& page) const {
    const std::string begin = "<script type=\"application/json\" id=\"data\">";
    const std::size_t at = page.find(begin) + begin.size();
    return nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
  }
};

TEST_F(Report, HoldsAllThatItShows) {
  const Outcome outcome =
      run({"report", "a.trec", "b.trec", "--qrels", "qrels.txt", "--corpus", "corpus.tsv", "--topics", "topics.tsv",
           "--measures", "P@1,RR", "--output", "report.html", "--json", "report.json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("b.trec: lacks 1 of 2 judged queries"), std::string::npos) << outcome.err;
  const std::string page = read("report.html");
  EXPECT_EQ(page.find("DATA_GOES_HERE"), std::string::npos);
  for (const char* outside : {"src=", "href=", "url(", "@import", "fetch("})
    EXPECT_EQ(page.find(outside), std::string::npos) << "the page loads something: " << outside;
  const nlohmann::json data = data_in(page);
  EXPECT_EQ(data, nlohmann::json::parse(read("report.json")));
  EXPECT_EQ(data["runs"], nlohmann::json::parse(R"(["a.trec","b.trec"])"));
  EXPECT_EQ(data["means"], nlohmann::json::parse("[[0.5,0.75],[0.5,0.5]]"));
  EXPECT_EQ(data["changes"][1]["change"], -0.25);
  const auto& query = data["queries"][0];
  EXPECT_EQ(query["text"], "what do pandas eat");
  EXPECT_EQ(query["values"], nlohmann::json::parse("[[0.0,0.5],[1.0,1.0]]"));
  EXPECT_EQ(query["top"][1][0]["text"], "pandas </script><b>eat</b> bamboo");
  EXPECT_EQ(query["top"][1][0]["grade"], 1);
  EXPECT_EQ(query["top"][0][0]["grade"], nullptr) << "not judged";
  EXPECT_EQ(data["queries"][1]["top"][1].size(), 0U) << "not in the run";
  int relevant = 0, calibrated = 0;
  for (const auto& count : data["scores"][0]["relevant"]) relevant += count.get<int>();
  for (const auto& bin : data["scores"][0]["calibration"]) calibrated += bin["count"].get<int>();
  EXPECT_EQ(relevant, 2);
  EXPECT_EQ(calibrated, 3);
  // Each score is alone in its bin: |0.9 - 0|, |0.2 - 1|, |0.7 - 1|.
  EXPECT_NEAR(data["scores"][0]["calibration_error"], 2.0 / 3, 1e-6);
  EXPECT_EQ(data["scores"][1]["calibration_error"], nullptr) << "5 and -1 are no probabilities";
  EXPECT_EQ(data["work"], nlohmann::json::parse("[null,null]"));
}

TEST_F(Report, SaysWhatQueriesTook) {
  write("a.trec.stats.jsonl",
        "{\"query\":\"q1\",\"passages\":2,\"seconds\":9,\"tokens\":9,\"cut_tokens\":0,\"new_tokens\":0}\n"
        "{\"query\":\"q2\",\"passages\":1,\"seconds\":0.5,\"tokens\":10,\"cut_tokens\":1,\"new_tokens\":0,"
        "\"cpu_seconds\":1,\"tokens_computed\":6}\n"
        "{\"query\":\"q1\",\"passages\":2,\"seconds\":1,\"tokens\":20,\"cut_tokens\":0,\"new_tokens\":0,"
        "\"cpu_seconds\":2,\"tokens_computed\":19}\n");
  write("b.trec.stats.jsonl",
        "{\"query\":\"q1\",\"passages\":2,\"seconds\":2,\"tokens\":8,\"cut_tokens\":0,\"new_tokens\":5}\n");
  const Outcome outcome = run({"report", "a.trec", "b.trec", "a.trec", "--qrels", "qrels.txt", "--output", "r.html"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const nlohmann::json work = data_in(read("r.html"))["work"];
  const nlohmann::json& alone = work[0];
  ASSERT_EQ(alone["queries"].size(), 2U) << "the last line about a query counts";
  EXPECT_EQ(alone["queries"][0]["seconds"], 1.0);
  EXPECT_EQ(alone["p50"], 0.5);
  EXPECT_EQ(alone["p90"], 1.0);
  EXPECT_EQ(alone["slowest"], 1.0);
  EXPECT_EQ(alone["tokens"], 30);
  EXPECT_EQ(alone["tokens_computed"], 25);
  EXPECT_EQ(alone["cut_tokens"], 1);
  EXPECT_EQ(alone["passages_per_second"], 2.0);
  EXPECT_EQ(alone["cpu_seconds_per_100"], 100.0);
  EXPECT_EQ(work[1]["new_tokens"], 5);
  EXPECT_EQ(work[1]["tokens_computed"], nullptr) << "other queries were in the call";
  EXPECT_EQ(work[2], alone);
}

TEST_F(Report, RefusesStatsOfAnotherRun) {
  const std::string good =
      "{\"query\":\"q2\",\"passages\":1,\"seconds\":0.5,\"tokens\":10,\"cut_tokens\":1,\"new_tokens\":0}\n";
  struct Row {
    std::string line;
    const char* message;
  };
  const Row rows[] = {
      {"{\"query\":\"q1\",\"passages\":3,\"seconds\":1,\"tokens\":9,\"cut_tokens\":0,\"new_tokens\":0}",
       "a.trec.stats.jsonl line 2: is about 3 passages of query \"q1\", and a.trec has 2"},
      {"{\"query\":\"z\",\"passages\":1,\"seconds\":1,\"tokens\":9,\"cut_tokens\":0,\"new_tokens\":0}",
       "line 2: is about 1 passages of query \"z\", and a.trec has none"},
      {"{\"query\":\"q1\",\"passages\":2,\"seconds\":-1,\"tokens\":9,\"cut_tokens\":0,\"new_tokens\":0}",
       "a.trec.stats.jsonl line 2: seconds"},
      {"{\"query\":\"q1\",\"passages\":2}", "a.trec.stats.jsonl line 2: \"seconds\" is missing"},
      {"{\"query\":\"q1\",\"pass", "a.trec.stats.jsonl line 2"},
  };
  for (const Row& row : rows) {
    write("a.trec.stats.jsonl", good + row.line + "\n");
    const Outcome fails = run({"report", "a.trec", "--qrels", "qrels.txt", "--output", "r.html"});
    EXPECT_EQ(fails.exit, 1);
    EXPECT_NE(fails.err.find(row.message), std::string::npos) << fails.err;
    const Outcome skips = run({"report", "a.trec", "--qrels", "qrels.txt", "--output", "r.html", "--on-error", "skip"});
    EXPECT_EQ(skips.exit, 0);
    EXPECT_NE(skips.err.find("1 bad line skipped"), std::string::npos) << skips.err;
    EXPECT_EQ(data_in(read("r.html"))["work"][0]["queries"].size(), 1U);
  }
}

TEST_F(Report, JudgementsOfOtherPassagesAreUsedOnlyWhenAsked) {
  write("qrels.txt", "q1 0 d1 1\nq2 0 d2 2\nq2 0 d7 1\n");
  std::vector<std::string> arguments = {"report",     "a.trec",   "--qrels",    "qrels.txt", "--corpus",
                                        "corpus.tsv", "--topics", "topics.tsv", "--output",  "r.html"};
  const Outcome refused = run(arguments);
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("qrels.txt line 3: judges passage \"d7\" for query \"q2\", which corpus.tsv lacks"),
            std::string::npos)
      << refused.err;
  arguments.insert(arguments.end(), {"--on-error", "skip"});
  EXPECT_EQ(run(arguments).exit, 0);
}

TEST_F(Report, WorksWithoutTextsAndWithOneRun) {
  const Outcome outcome =
      run({"report", "a.trec", "--qrels", "qrels.txt", "--output", "report.html", "--passages", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const nlohmann::json data = data_in(read("report.html"));
  EXPECT_EQ(data["changes"], nlohmann::json::array());
  EXPECT_EQ(data["queries"][0]["text"], nullptr);
  EXPECT_EQ(data["queries"][0]["top"][0].size(), 1U);
  EXPECT_EQ(data["queries"][0]["top"][0][0]["text"], nullptr);
}

TEST_F(Report, DoesNotOverwriteItsInput) {
  const Outcome outcome = run({"report", "a.trec", "--qrels", "qrels.txt", "--output", "a.trec"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.err.find("is also the input"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace rerank::testing
