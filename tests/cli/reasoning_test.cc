// Models that reason, from the command line: what is written of a pair, what people see, limits and prompts.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/json_lines.h"
#include "cli/program.h"
#include "support/golden_reasoning.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

// The toy that really reasons.
class ReasoningCli : public ProgramTest {
 protected:
  void SetUp() override {
    RERANK_NEED_SHARED("golden/rank1-toy");
    ProgramTest::SetUp();
    golden_.emplace("rank1-toy");
    for (const auto& row : golden_->generated())
      pairs_[row.setting] +=
          json{{"query", golden_->pair(row.pair).query}, {"passage", golden_->pair(row.pair).passage}}.dump() + "\n";
  }
  Outcome with_toy(const std::string& command, std::vector<std::string> more, const std::string& input = "") const {
    std::vector<std::string> arguments = {command,    "--model",   (shared_dir() / "golden" / "rank1-toy").string(),
                                          "--method", "reasoning", "--dtype",
                                          "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, input);
  }

  std::optional<GoldenReasoning> golden_;
  std::map<std::string, std::string> pairs_;  // by setting
};

TEST_F(ReasoningCli, ScoreWritesWhatTheModelWrote) {
  for (const auto& [setting, limit] : {std::pair("rank1-greedy", "64"), std::pair("rank1-short", "9")}) {
    const Outcome outcome =
        with_toy("score", {"--input", "-", "--max-new-tokens", limit, "--verdict", "official"}, pairs_.at(setting));
    ASSERT_EQ(outcome.exit, 0) << outcome.err;
    const auto lines = json_lines(outcome.out);
    std::size_t i = 0;
    for (const auto& row : golden_->generated()) {
      if (row.setting != setting) continue;
      ASSERT_LT(i, lines.size());
      const json& line = lines[i];
      EXPECT_EQ(line.size(), 5u);
      EXPECT_EQ(line.at("index"), i++);
      EXPECT_NEAR(line.at("score").get<double>(), row.score_official, golden_->tolerance());
      EXPECT_EQ(line.at("reasoning"), row.text);
      EXPECT_EQ(line.at("new_tokens"), row.token_ids.size());
      EXPECT_EQ(line.at("finished"), row.ends_with_verdict());
    }
    EXPECT_EQ(i, lines.size());
  }
}

TEST_F(ReasoningCli, VerdictsBudgetsAndSecondThoughts) {
  const std::string pair = pairs_.at("rank1-short").substr(0, pairs_.at("rank1-short").find('\n') + 1);
  const auto score = [&](std::vector<std::string> options) {
    options.insert(options.end(), {"--input", "-"});
    const Outcome outcome = with_toy("score", options, pair);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return json_lines(outcome.out).at(0);
  };
  const json whole = score({}), budget = score({"--think-budget", "9", "--verdict", "card"});
  EXPECT_EQ(whole.at("finished"), true);
  EXPECT_EQ(budget.at("finished"), false);
  EXPECT_EQ(budget.at("new_tokens"), 9);
  EXPECT_EQ(budget, score({"--max-new-tokens", "9"}));
  EXPECT_EQ(score({"--max-new-tokens", "0"}).at("reasoning"), "");
  const std::string again = score({"--rethink", "1"}).at("reasoning");
  EXPECT_EQ(again.find(whole.at("reasoning").get<std::string>() + "\nWait"), 0u) << again;
  EXPECT_EQ(score({"--kv-memory", "64M"}), whole);

  const Outcome card = with_toy("score", {"--input", "-", "--max-new-tokens", "9", "--verdict", "card"}, pair);
  EXPECT_EQ(card.exit, 1);
  EXPECT_NE(card.err.find("line 1: \" true\" or \" false\""), std::string::npos) << card.err;
}

TEST_F(ReasoningCli, APromptOfADataSetFromTextOrFile) {
  write("prompt.txt", "Where does FILL_QUERY_HERE occur?\n");
  const std::string pair = pairs_.at("rank1-short").substr(0, pairs_.at("rank1-short").find('\n') + 1);
  const Outcome text = with_toy("score", {"--input", "-", "--prompt", "Where does FILL_QUERY_HERE occur?"}, pair);
  const Outcome file = with_toy("score", {"--input", "-", "--prompt-file", "prompt.txt"}, pair);
  const Outcome none = with_toy("score", {"--input", "-"}, pair);
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_EQ(text.out, file.out);
  EXPECT_NE(text.out, none.out);
  const Outcome bad = with_toy("score", {"--input", "-", "--prompt", "no place"}, pair);
  EXPECT_EQ(bad.exit, 1);
  EXPECT_NE(bad.err.find("FILL_QUERY_HERE"), std::string::npos) << bad.err;
  EXPECT_EQ(with_toy("score", {"--input", "-", "--prompt-file", "nowhere"}, pair).exit, 1);
  EXPECT_EQ(with_toy("score", {"--input", "-", "--prompt", "a", "--prompt-file", "prompt.txt"}, pair).exit, 1);
}

TEST_F(ReasoningCli, RankShowsTheReasoningBelowThePassage) {
  write("passages.txt", "The text is about needle, honey, zipper.\nThe text is about stone.\n");
  const std::vector<std::string> arguments = {"--query", "honey", "--passages", "passages.txt"};
  const Outcome plain = with_toy("rank", arguments);
  auto with_reasoning = arguments, as_json = arguments, cut = arguments;
  with_reasoning.push_back("--show-reasoning");
  as_json.push_back("--json");
  cut.insert(cut.end(), {"--show-reasoning", "--max-new-tokens", "4"});
  const Outcome shown = with_toy("rank", with_reasoning);
  ASSERT_EQ(shown.exit, 0) << shown.err;
  EXPECT_EQ(std::count(plain.out.begin(), plain.out.end(), '\n'), 2);
  EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '\n'), 4);
  EXPECT_NE(shown.out.find("\n    The query word honey occurs in the passage.\n2 "), std::string::npos) << shown.out;
  EXPECT_EQ(shown.out.find('\x1b'), std::string::npos) << "no colour in a file";
  EXPECT_NE(with_toy("rank", cut).out.find(" [cut]\n"), std::string::npos);
  const auto lines = json_lines(with_toy("rank", as_json).out);
  EXPECT_EQ(lines.at(0).at("reasoning"), " The query word honey occurs in the passage. ");
  EXPECT_EQ(lines.at(0).at("finished"), true);
  EXPECT_EQ(lines.at(0).at("new_tokens"), 13);

  const Outcome embedded = run({"rank", "--query", "q", "--passages", "passages.txt", "--show-reasoning"});
  EXPECT_EQ(embedded.exit, 1);
  EXPECT_NE(embedded.err.find("cross-encoder models write none"), std::string::npos) << embedded.err;
}

TEST_F(ReasoningCli, RunReranksWithIt) {
  write("set/corpus.jsonl",
        "{\"_id\":\"a\",\"title\":\"\",\"text\":\"The text is about stone.\"}\n"
        "{\"_id\":\"b\",\"title\":\"\",\"text\":\"The text is about needle, honey, zipper.\"}\n");
  write("set/queries.jsonl", "{\"_id\":\"1\",\"text\":\"honey\"}\n{\"_id\":\"2\",\"text\":\"stone\"}\n");
  write("first.trec", "1 Q0 a 1 2.0 x\n1 Q0 b 2 1.0 x\n2 Q0 b 1 2.0 x\n2 Q0 a 2 1.0 x\n");
  const Outcome outcome = with_toy("run", {"--dataset", "set", "--run", "first.trec", "--output", "-"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find("1 Q0 b 1 "), 0u) << outcome.out;
  EXPECT_NE(outcome.out.find("\n2 Q0 a 1 "), std::string::npos) << outcome.out;
}

TEST_F(ReasoningCli, BenchCountsNewTokens) {
  write("workload.jsonl",
        R"({"query": "honey", "passages": ["The text is about honey.", "The text is about stone."]})");
  const Outcome outcome =
      with_toy("bench", {"--workload", "workload.jsonl", "--repeat", "1", "--max-new-tokens", "20", "--ignore-stop"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const json figures = json::parse(outcome.out);
  EXPECT_EQ(figures.at("new_tokens"), 40);
  EXPECT_GE(figures.at("passes"), 20);
  EXPECT_GT(figures.at("new_tokens_s"), 0);
  EXPECT_GT(figures.at("shared_tokens"), 0);
  EXPECT_GT(figures.at("kv_bytes_a_pass"), 0);
  EXPECT_GT(figures.at("weight_bytes"), 1'000'000);
  EXPECT_EQ(figures.at("preemptions"), 0);
  EXPECT_GE(figures.at("flops_saved"), 0);
  EXPECT_LT(figures.at("flops_saved"), 1);
}

TEST_F(ReasoningCli, SaysWhatAPassageLostThatDoesNotFit) {
  std::string passage;
  for (int i = 0; i < 100; ++i) passage += "The passage goes on. ";
  const std::string pairs = json({{"query", "honey"}, {"passage", passage}}).dump() + "\n" +
                            json({{"query", "honey"}, {"passage", "It is short."}}).dump() + "\n";
  const Outcome outcome = with_toy("score", {"--input", "-", "--max-length", "200", "--max-new-tokens", "20"}, pairs);
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const auto lines = json_lines(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_GT(lines[0].at("cut_tokens"), 100);
  EXPECT_FALSE(lines[1].contains("cut_tokens"));
}

TEST_F(ReasoningCli, TooLittleMemoryNamesTheLineAndTheNeed) {
  const Outcome outcome = with_toy("score", {"--input", "-", "--kv-memory", "1K"}, pairs_.at("rank1-short"));
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_NE(outcome.err.find("line 1: keys and values"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("at least"), std::string::npos) << outcome.err;
  EXPECT_EQ(with_toy("score", {"--input", "-", "--kv-memory", "much"}).exit, 1);
}

}  // namespace
}  // namespace rerank::testing
