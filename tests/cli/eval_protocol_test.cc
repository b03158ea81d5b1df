// rerank eval-protocol on small sets in the layout of each protocol. What is selected and joined, src/evaluation tests;
// here is that all of it reaches the model, the rankings, the figures and the report.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/json_lines.h"
#include "cli/program.h"
#include "support/sanitized.h"
#include "support/shared_data.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

class EvalProtocol : public ProgramTest {
 protected:
  // Three passages, two queries; "d2" is a passage too.
  void write_beir(const std::string& set) const {
    write(set + "/corpus.jsonl",
          "{\"_id\":\"d1\",\"title\":\"Paris\",\"text\":\"is the capital of France. \"}\n"
          "{\"_id\":\"d2\",\"title\":\"\",\"text\":\"what does a panda eat?\"}\n"
          "{\"_id\":\"d3\",\"title\":\"Pandas\",\"text\":\"The giant panda eats bamboo.\"}\n");
    write(set + "/queries.jsonl",
          "{\"_id\":\"q1\",\"text\":\"capital of France\"}\n{\"_id\":\"d2\",\"text\":\"what does a panda eat?\"}\n");
    write(set + "/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nd2\td3\t1\n");
    write(set + "/first_stage.trec",
          "q1 Q0 d3 1 3 t\nq1 Q0 d2 2 2 t\nq1 Q0 d1 3 1 t\nd2 Q0 d2 1 3 t\nd2 Q0 d1 2 2 t\nd2 Q0 d3 3 1 t\n");
  }
  Outcome evaluate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "eval-protocol");
    for (const char* more : {"--output", "out", "--dtype", "f32", "--quiet"}) arguments.emplace_back(more);
    return run(arguments);
  }
  json evaluate_json(std::vector<std::string> arguments) const {
    arguments.emplace_back("--json");
    const Outcome outcome = evaluate(arguments);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return outcome.exit == 0 ? json::parse(outcome.out) : json();
  }
  // The score that `rerank score` gives, as a column of a run file.
  std::string score(const std::string& query, const std::string& passage, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"score", "--input", "-", "--dtype", "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments, json{{"query", query}, {"passage", passage}}.dump() + "\n");
    const std::size_t at = outcome.out.find("\"score\":");
    return fmt::format(" {} ", outcome.out.substr(at + 8, outcome.out.find('}') - at - 8));
  }
};

TEST_F(EvalProtocol, LbReranksMeasuresAndShowsWhatWasPublished) {
  write_beir("data/scifact");
  const json report = evaluate_json({"lb-beir", "--data", "data"});
  const json& row = report["datasets"][0];
  EXPECT_EQ(row["dataset"], "scifact");
  EXPECT_EQ(row["queries"], 2);
  EXPECT_EQ(row["pairs"], 5);
  EXPECT_EQ(row["dropped_identical"], 1);
  // The first stage: q1 has its passage at rank 3, d2 at rank 2 without itself.
  EXPECT_EQ(row["first_stage"]["nDCG@10"], 0.56546);  // >>> round((1 / math.log2(4) + 1 / math.log2(3)) / 2, 5)
  EXPECT_EQ(row["first_stage"]["MAP@10"], 0.41667);
  EXPECT_EQ(row["reranked"]["nDCG@10"], 1);
  EXPECT_EQ(row["reranked"]["P@3"], 0.33333);
  EXPECT_EQ(row["published"][1]["model"], "lb-reranker-0.5B");
  EXPECT_EQ(row["published"][1]["value"], 0.75549);
  EXPECT_EQ(report["mean"]["reranked"]["nDCG@10"], 1);
  EXPECT_EQ(report["settings"]["readout"], "high-minus-low");
  EXPECT_EQ(report["settings"]["top_logprobs"], 14);
  EXPECT_EQ(report["not_as_published"], json::array());
  json stored = json::parse(read("out/lb-beir.json"));
  EXPECT_EQ(stored["datasets"][0]["reranked"], row["reranked"]);

  const std::string ranking = read("out/lb-beir.scifact.trec");
  EXPECT_EQ(ranking.substr(0, 11), "d2 Q0 d3 1 ") << "queries in string order\n" << ranking;
  EXPECT_NE(ranking.find(score("capital of France", "Paris is the capital of France.")), std::string::npos)
      << "title and text, stripped\n"
      << ranking;
  EXPECT_TRUE(std::filesystem::exists(path("out/lb-beir.scifact.trec.manifest.json")));

  const Outcome text = evaluate({"lb-beir", "--data", "data"});
  for (const char* part : {"lb-beir: LB reranker's", "nDCG@10; published figures on the right", "bge-reranker-v2-m3",
                           "0.56546   1.00000", "0.75549"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << '\n' << text.out;
}

TEST_F(EvalProtocol, OptionsThatAreGivenCountAndAreSaid) {
  write_beir("data/fiqa");
  const json report =
      evaluate_json({"flagembedding-beir", "--data", "data", "--queries", "1", "--query-max-length", "9"});
  const int positions = json::parse(run({"info", "--json"}).out)["max_positions"];
  ASSERT_LT(positions, 1024);
  EXPECT_EQ(report["settings"]["max_length"], positions) << "the built-in model takes no more";
  EXPECT_EQ(report["settings"]["query_max_length"], 9);
  EXPECT_EQ(report["not_as_published"],
            (json{"--query-max-length as given", "only the first 1 queries of each data set",
                  fmt::format("pairs of {} tokens, which is all that the model takes", positions)}));
  EXPECT_EQ(report["datasets"][0]["queries"], 1);
}

TEST_F(EvalProtocol, Rank1AsksWithPrompts) {
  write_beir("data/SciFact");
  write("prompts.json", R"({"SciFact": "Claim: FILL_QUERY_HERE Is it so?"})");
  const Outcome none = evaluate({"rank1-beir", "--data", "data"});
  EXPECT_EQ(none.exit, 1);
  EXPECT_NE(none.err.find("puts a prompt around every query"), std::string::npos) << none.err;
  const json report = evaluate_json({"rank1-beir", "--data", "data", "--prompts", "prompts.json"});
  EXPECT_EQ(report["settings"]["prompts"], true);
  EXPECT_EQ(report["settings"]["verdict"], "official");
  EXPECT_EQ(report["datasets"][0]["dropped_identical"], 0);
  const std::string with_prompt = score("Claim: capital of France Is it so?", "Paris is the capital of France.");
  EXPECT_NE(read("out/rank1-beir.SciFact.trec").find(with_prompt), std::string::npos);
  const json plain = evaluate_json({"rank1-beir", "--data", "data", "--no-prompts"});
  EXPECT_EQ(plain["not_as_published"], json{"queries without prompts"});
  EXPECT_EQ(read("out/rank1-beir.SciFact.trec").find(with_prompt), std::string::npos);
}

TEST_F(EvalProtocol, BrightNevirAndMFollowIr) {
  write("bright/documents/biology.jsonl",
        "{\"id\":\"a\",\"content\":\"Leaves are green.\"}\n{\"id\":\"b\",\"content\":\"Chlorophyll absorbs red "
        "light.\"}\n");
  write("bright/examples/biology.jsonl",
        "{\"id\":\"0\",\"query\":\"why are leaves green?\",\"gold_ids\":[\"b\"],\"excluded_ids\":[\"a\"]}\n");
  write("bright/biology_bm25_long_False/score.json", R"({"0": {"a": 2.0, "b": 1.0}})");
  const json bright = evaluate_json({"bright", "--data", "bright", "--no-prompts"});
  EXPECT_EQ(bright["datasets"][0]["dropped_excluded"], 1);
  EXPECT_EQ(bright["datasets"][0]["pairs"], 1);
  EXPECT_EQ(bright["mean"]["reranked"]["nDCG@10"], 1);
  EXPECT_EQ(bright["datasets"][0]["published"][0],
            (json{{"measure", "nDCG@10"}, {"model", "rank1-7b"}, {"value", 48.8}, {"unit", "percent"}}));

  write("nevir/corpus.jsonl",
        "{\"_id\":\"d1\",\"text\":\"The cat sat on the mat.\"}\n{\"_id\":\"d2\",\"text\":\"Pandas eat bamboo in "
        "China.\"}\n");
  write(
      "nevir/queries.jsonl",
      "{\"_id\":\"1_q1\",\"text\":\"where did the cat sit?\"}\n{\"_id\":\"1_q2\",\"text\":\"what do pandas eat?\"}\n");
  write("nevir/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1_q1\td1\t1\n1_q2\td2\t1\n");
  json nevir = evaluate_json({"nevir", "--data", "nevir"});
  EXPECT_EQ(nevir["datasets"][0]["dataset"], "NevIR");
  EXPECT_EQ(nevir["datasets"][0]["pairs"], 4);
  EXPECT_EQ(nevir["datasets"][0]["first_stage"], nullptr);
  EXPECT_EQ(nevir["datasets"][0]["reranked"]["PairedAccuracy"], 1);
  write("nevir/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1_q1\td1\t1\n1_q2\td1\t1\n");
  nevir = evaluate_json({"nevir", "--data", "nevir"});
  EXPECT_EQ(nevir["datasets"][0]["reranked"]["PairedAccuracy"], 0);
  EXPECT_EQ(nevir["datasets"][0]["reranked"]["Recall@1"], 0.5);

  write("follow/rus/corpus.jsonl",
        "{\"_id\":\"a\",\"text\":\"The capital of France is Paris.\"}\n{\"_id\":\"b\",\"text\":\"Pandas eat "
        "bamboo.\"}\n");
  write("follow/rus/queries.jsonl",
        "{\"_id\":\"1-og\",\"text\":\"capital of France\",\"instruction\":\"\"}\n"
        "{\"_id\":\"1-changed\",\"text\":\"what\",\"instruction\":\"do pandas eat?\"}\n");
  write("follow/rus/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1-og\ta\t1\n1-changed\ta\t0\n1-changed\tb\t1\n");
  write("follow/mFollowIR_rus_predictions.json",
        R"({"1-og": {"a": 1.0, "b": 2.0}, "1-changed": {"a": 1.0, "b": 2.0}})");
  const json follow = evaluate_json({"mfollowir", "--data", "follow"});
  EXPECT_EQ(follow["datasets"][0]["first_stage"]["p-MRR"], 0);
  EXPECT_EQ(follow["datasets"][0]["reranked"]["p-MRR"], 0.5) << "a falls from 1 to 2";
  EXPECT_EQ(follow["datasets"][0]["reranked"]["nDCG@20"], 1);
}

TEST_F(EvalProtocol, MiraclHasSplitsOfItsOwnAndMeansOverLanguages) {
  for (const char* language : {"de", "sw"}) {
    write_beir(fmt::format("data/{}", language));
    std::filesystem::rename(path(fmt::format("data/{}/qrels/test.tsv", language)),
                            path(fmt::format("data/{}/qrels/dev.tsv", language)));
    std::filesystem::rename(path(fmt::format("data/{}/queries.jsonl", language)),
                            path(fmt::format("data/{}/dev_queries.jsonl", language)));
  }
  write("data/NoReranker/de-dev.json", R"({"search_results": {"q1": {"d3": 2.5, "d1": 1.5}}})");
  const json report = evaluate_json({"flagembedding-miracl", "--data", "data"});
  ASSERT_EQ(report["datasets"].size(), 2U);
  EXPECT_EQ(report["datasets"][1]["dataset"], "de");
  EXPECT_EQ(report["datasets"][1]["queries_without_passages"], 1);
  EXPECT_EQ(report["datasets"][1]["reranked"]["nDCG@10"], 1);
  EXPECT_EQ(report["datasets"][1]["reranked"]["MRR@10"], 0.5) << "over all judged";
  EXPECT_EQ(report["datasets"][0]["dropped_identical"], 0);
  EXPECT_EQ(report["datasets"][0]["pairs"], 6);
  EXPECT_EQ(report["mean"]["datasets"], 2);
}

TEST_F(EvalProtocol, IsResumed) {
  write_beir("data/scifact");
  ASSERT_EQ(evaluate({"lb-beir", "--data", "data"}).exit, 0);
  const std::string whole = read("out/lb-beir.scifact.trec");
  write("out/lb-beir.scifact.trec", whole.substr(0, whole.size() / 2));
  const Outcome refused = evaluate({"lb-beir", "--data", "data", "--resume", "--max-length", "32"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_NE(refused.err.find("settings.max_length was 0, is 32"), std::string::npos) << refused.err;
  const json report = evaluate_json({"lb-beir", "--data", "data", "--resume"});
  EXPECT_EQ(read("out/lb-beir.scifact.trec"), whole);
  EXPECT_EQ(report["mean"]["reranked"]["nDCG@10"], 1);
}

TEST_F(EvalProtocol, SaysWhatIsWrong) {
  write_beir("data/scifact");
  write("prompts.json", R"({"SciFact": "no place"})");
  struct Row {
    std::vector<std::string> arguments;
    const char* message;
  };
  const Row rows[] = {
      {{"beir", "--data", "data"}, "protocol \"beir\" is not known"},
      {{"lb-beir", "--data", "nowhere"}, "holds no data set of lb-beir"},
      {{"lb-beir", "--data", "data", "--datasets", "fiqa"}, "has no passages for fiqa"},
      {{"lb-beir", "--data", "data", "--first-stage", "{dataset}/other"}, "there is no scifact/other"},
      {{"lb-beir", "--data", "data", "--prompts", "prompts.json"}, "lb-beir has no prompts"},
      {{"rank1-beir", "--data", "data", "--prompts", "prompts.json"}, "has no FILL_QUERY_HERE"},
      {{"rank1-beir", "--data", "data", "--prompts", "none.json"}, "none.json"},
      {{"lb-beir", "--data", "data", "--split", "dev"}, "has no judgements for scifact"},
  };
  for (const Row& row : rows) {
    const Outcome outcome = evaluate(row.arguments);
    EXPECT_EQ(outcome.exit, 1) << row.message;
    EXPECT_NE(outcome.err.find(row.message), std::string::npos) << outcome.err;
  }
}

TEST_F(EvalProtocol, IdsThatTheDataSetLacksAreNamedAndLeftOutWhenAsked) {
  struct Row {
    std::string file, text;
    const char* message;
  };
  const Row rows[] = {
      {"first_stage.trec", "q1 Q0 d1 1 3 t\nq1 Q0 d9 2 2 t\nd2 Q0 d3 1 3 t\n",
       "first_stage.trec line 2: ranks passage \"d9\" for query \"q1\", which corpus.jsonl lacks"},
      {"qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nd2\td3\t1\nq7\td1\t1\n",
       "test.tsv line 4: judges query \"q7\", which queries.jsonl lacks"},
      {"qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nd2\td3\t1\nd2\td8\t0\n",
       "test.tsv line 4: judges passage \"d8\" for query \"d2\", which corpus.jsonl lacks"},
  };
  for (const Row& row : rows) {
    write_beir("data/scifact");
    write("data/scifact/" + row.file, row.text);
    const Outcome refused = evaluate({"lb-beir", "--data", "data"});
    EXPECT_EQ(refused.exit, 1);
    EXPECT_NE(refused.err.find(row.message), std::string::npos) << refused.err;
    const json report = evaluate_json({"lb-beir", "--data", "data", "--on-error", "skip"});
    EXPECT_EQ(report["datasets"][0]["queries"], 2) << row.message;
    EXPECT_EQ(report["mean"]["reranked"]["nDCG@10"], 1) << row.message;
  }
}

// On the real collection the figures are those that run and eval give.
TEST_F(EvalProtocol, EqualsRunAndEvalOnSciFact) {
  RERANK_NEED_SHARED("data/scifact");
  if (kSanitized) GTEST_SKIP() << "the same as above, slower";
  const std::string folder = (shared_dir() / "data/scifact").string();
  const json report = evaluate_json(
      {"lb-beir", "--data", folder, "--first-stage", "{dataset}/run.bm25.txt", "--queries", "3", "--max-length", "64"});
  const json& row = report["datasets"][0];
  EXPECT_EQ(row["dataset"], "scifact");
  EXPECT_EQ(row["published"][0]["value"], 0.7365);
  // The first three ids as strings: 1, 100, 1012 of the judged ones.
  std::string qrels;
  std::ifstream stream(folder + "/qrels/test.tsv");
  for (std::string query, passage, grade; stream >> query >> passage >> grade;)
    if (query == "1" || query == "100" || query == "1012") qrels += fmt::format("{} 0 {} {}\n", query, passage, grade);
  ASSERT_FALSE(qrels.empty());
  write("qrels.txt", qrels);
  const Outcome outcome =
      run({"eval", "--qrels", "qrels.txt", "--run", "out/lb-beir.scifact.trec", "--measures", "nDCG@10", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "") << "the same three queries";
  EXPECT_NEAR(json::parse(outcome.out)["measures"]["nDCG@10"].get<double>(), row["reranked"]["nDCG@10"].get<double>(),
              5.1e-6);
}

}  // namespace
}  // namespace rerank::testing
