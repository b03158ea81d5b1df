// rerank generate: the reference's tokens and log-probabilities, the forms of input and output, and what is refused.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/json_lines.h"
#include "cli/program.h"
#include "io/checkpoint.h"
#include "scoring/reasoning_prompt.h"
#include "support/golden_reasoning.h"
#include "support/tiny_causal.h"
#include "tokenizer/tokenizer.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

class Generate : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    TinyCausal::llama().write(model_);
  }
  Outcome generate(std::vector<std::string> more, const std::string& input = "") const {
    more.insert(more.begin(), {"generate", "--model", model_.path.string(), "--dtype", "f32"});
    return run(more, input);
  }
  TinyModel::Folder model_;
};

class GoldenGenerate : public ProgramTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenGenerate, ::testing::Values("rank1-toy", "rank1-7b-awq"));

TEST_P(GoldenGenerate, WritesWhatTheReferenceWrites) {
  RERANK_NEED_SHARED(std::string("golden/") + GetParam());
  const auto folder = shared_dir() / "golden" / GetParam();
  const GoldenReasoning golden(GetParam());
  const io::JsonDocument document = golden_document(GetParam());
  const auto tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json").value();
  const auto prompts = scoring::ReasoningPrompts::make(tokenizer, {}, 32768).value();
  std::string input;
  for (const auto& row : golden.generated())
    if (row.setting == "rank1-greedy") {
      const auto& pair = golden.pair(row.pair);
      input += json{{"prompt", prompts.encode(pair.query, pair.passage).value().text}}.dump() + "\n";
    }
  std::vector<simdjson::dom::element> rows;
  std::string limit;
  for (const auto setting : simdjson::dom::array(document.root().element()["settings"])) {
    if (golden_text(setting["id"]) != "rank1-greedy") continue;
    limit = std::to_string(std::int64_t(setting["call"]["max_tokens"]));
    for (const auto row : simdjson::dom::array(setting["results"])) rows.push_back(row);
  }
  const Outcome outcome =
      run({"generate", "--model", folder.string(), "--dtype", "f32", "--input", "-", "--max-new-tokens", limit,
           "--logprobs", "3", "--stop", "</think> true", "--stop", "</think> false"},
          input);
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const auto lines = json_lines(outcome.out);
  ASSERT_EQ(lines.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(lines[i].at("index"), i);
    EXPECT_EQ(lines[i].at("token_ids"), golden_integers<std::int32_t>(rows[i]["token_ids"]));
    EXPECT_EQ(lines[i].at("text"), golden_text(rows[i]["text"]));
    EXPECT_EQ(lines[i].at("finish"), golden_text(rows[i]["finish"]) == "length" ? "length" : "stop");
    std::size_t step = 0;
    for (const auto expected : simdjson::dom::array(rows[i]["steps"])) {
      const json& likeliest = lines[i].at("logprobs").at(step++);
      const auto logprobs = golden_numbers(expected["logprobs"]);
      ASSERT_EQ(likeliest.size(), 3u);
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_NEAR(likeliest[k][1].get<double>(), logprobs[k], std::max(golden.tolerance(), 5e-4));
      EXPECT_EQ(likeliest[0][0], golden_integers<std::int32_t>(expected["top"])[0]);
    }
    EXPECT_EQ(step, lines[i].at("logprobs").size());
  }
}

TEST_F(Generate, OnePromptOrALineEach) {
  const Outcome one = generate({"--prompt", "A prompt", "--max-new-tokens", "8"});
  ASSERT_EQ(one.exit, 0) << one.err;
  write("prompt.txt", "A prompt\n");
  EXPECT_EQ(generate({"--prompt-file", "prompt.txt", "--max-new-tokens", "8"}).out, one.out);
  const Outcome two =
      generate({"--input", "-", "--max-new-tokens", "8"}, "{\"prompt\":\"A prompt\"}\n\n{\"prompt\":\"Another\"}\n");
  EXPECT_EQ(two.out.find(one.out), 0u) << two.out;
  const auto lines = json_lines(two.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].at("index"), 1);
  EXPECT_EQ(lines[1].at("token_ids").size(), 8u);
  EXPECT_EQ(lines[1].at("finish"), "length");
  EXPECT_FALSE(lines[1].contains("logprobs"));
  const Outcome none = generate({"--prompt", "A prompt", "--max-new-tokens", "0"});
  EXPECT_EQ(none.out, "{\"index\":0,\"text\":\"\",\"token_ids\":[],\"finish\":\"length\"}\n");
}

TEST_F(Generate, BadLinesAreErrorsOrLeftOut) {
  const std::string input = "{\"prompt\":\"good\"}\n{\"text\":\"x\"}\n{\"prompt\":\"" + std::string(5000, 'x') +
                            "\"}\n{\"prompt\":\"good\"}\n";
  const Outcome fails = generate({"--input", "-", "--max-new-tokens", "3"}, input);
  EXPECT_EQ(fails.exit, 1);
  EXPECT_NE(fails.err.find("line 2"), std::string::npos) << fails.err;
  EXPECT_NE(fails.err.find("{\"prompt\": TEXT}"), std::string::npos) << fails.err;
  EXPECT_EQ(json_lines(fails.out).size(), 1u) << "what comes before it is written";
  const Outcome skips = generate({"--input", "-", "--max-new-tokens", "3", "--on-error", "skip"}, input);
  EXPECT_EQ(skips.exit, 0) << skips.err;
  EXPECT_NE(skips.err.find("line 3"), std::string::npos) << skips.err;
  EXPECT_NE(skips.err.find("2048 positions"), std::string::npos) << skips.err;
  EXPECT_NE(skips.err.find("2 bad lines skipped"), std::string::npos) << skips.err;
  const auto lines = json_lines(skips.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].at("index"), 3);
  EXPECT_EQ(lines[1].at("token_ids"), lines[0].at("token_ids"));
}

TEST_F(Generate, RefusesWhatItCannotDo) {
  struct Row {
    std::vector<std::string> arguments;
    int exit;
    const char* part_of_message;
  };
  for (const Row& row :
       {Row{{}, 1, "give one of them"}, Row{{"--prompt", "a", "--input", "-"}, 1, "give one of them"},
        Row{{"--prompt", "a", "--stop", ""}, 1, "--stop"},
        Row{{"--prompt", "a", "--logprobs", "100000"}, 1, "--logprobs"}, Row{{"--prompt", "a\xff"}, 1, "--prompt"},
        Row{{"--input", "nowhere.jsonl"}, 1, "nowhere.jsonl"},
        Row{{"--prompt", "a", "--adapter", "/nowhere"}, 2, "/nowhere"}}) {
    const Outcome outcome = generate(row.arguments);
    EXPECT_EQ(outcome.exit, row.exit) << outcome.err;
    EXPECT_NE(outcome.err.find(row.part_of_message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  const Outcome embedded = run({"generate", "--prompt", "a"});
  EXPECT_EQ(embedded.exit, 1);
  EXPECT_NE(embedded.err.find("writes no text"), std::string::npos) << embedded.err;
}

}  // namespace
}  // namespace rerank::testing
