// rerank score --resume: goes on behind what an interruption left, and refuses what is not its own.
#include <gtest/gtest.h>

#include <map>

#include "cli/program.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

class Resume : public ProgramTest {
 protected:
  static constexpr int kPairs = 40;

  void SetUp() override {
    ProgramTest::SetUp();
    std::string pairs;
    for (int n = 0; n < kPairs; ++n)
      pairs += "{\"query\":\"what\",\"passage\":\"passage " + std::to_string(n) + "\"}\n" + (n == 3 ? "\n" : "");
    write("pairs.jsonl", pairs);
    TinyCausal::qwen2(false).write(model_);
    ASSERT_EQ(score().exit, 0);
    whole_ = read("scores.jsonl");
    for (std::size_t at = 0; at < whole_.size();) {
      const std::size_t end = whole_.find('\n', at) + 1;
      lines_.push_back(whole_.substr(at, end - at));
      at = end;
    }
    ASSERT_EQ(lines_.size(), std::size_t{kPairs});
  }
  // The options of all tests, and others that take their place.
  Outcome score(const std::map<std::string, std::string>& other = {}, std::vector<std::string> flags = {}) const {
    std::map<std::string, std::string> options = {
        {"--model", model_.path.string()}, {"--method", "reasoning"},  {"--dtype", "f32"},
        {"--max-new-tokens", "6"},         {"--input", "pairs.jsonl"}, {"--output", "scores.jsonl"}};
    for (const auto& [name, value] : other) options[name] = value;
    std::vector<std::string> arguments = {"score"};
    for (const auto& [name, value] : options) arguments.insert(arguments.end(), {name, value});
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return run(arguments);
  }
  std::string some(std::initializer_list<int> indexes) const {
    std::string text;
    for (const int index : indexes) text += lines_[static_cast<std::size_t>(index)];
    return text;
  }

  TinyModel::Folder model_;
  std::string whole_;
  std::vector<std::string> lines_;
};

TEST_F(Resume, GivesTheFileOfAnUninterruptedRun) {
  const std::string torn = lines_[7].substr(0, lines_[7].size() / 2);
  for (const std::string& left :
       {std::string(), some({0, 1, 2}), some({0, 1, 5, 39}), some({3, 9}) + torn, torn, whole_, some({20, 4})}) {
    write("scores.jsonl", left);
    const Outcome outcome = score({}, {"--resume"});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(read("scores.jsonl"), whole_) << left;
  }
  std::filesystem::remove(path("scores.jsonl"));
  EXPECT_EQ(score({}, {"--resume"}).exit, 0);
  EXPECT_EQ(read("scores.jsonl"), whole_);
}

TEST_F(Resume, BadLinesAreMetAgain) {
  write("pairs.jsonl", read("pairs.jsonl") + "{\"query\":1}\n");
  write("scores.jsonl", some({0, 1, 2}));
  const Outcome outcome = score({{"--on-error", "skip"}}, {"--resume"});
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("1 bad line skipped"), std::string::npos) << outcome.err;
  EXPECT_EQ(read("scores.jsonl"), whole_);
}

TEST_F(Resume, RefusesWhatIsNotItsOwn) {
  struct Row {
    std::string left;
    std::map<std::string, std::string> other;
    const char* part_of_message;
  };
  const Row rows[] = {
      {some({0, 1}) + "{\"index\":40,\"score\":0.5}\n", {}, "line 3: index 40 is beyond the input's 40 records"},
      {some({0, 1, 0}), {}, "line 3: index 0 is there already"},
      {"not json\n", {}, "line 1"},
      {"{\"index\":-1}\n", {}, "line 1"},
      {"{\"score\":1}\n", {}, "index"},
      {some({0, 1, 2}), {{"--max-new-tokens", "5"}}, "has another score there"},
      {some({0, 1, 2}), {{"--prompt", "Say FILL_QUERY_HERE"}}, "has another score there"},
      {some({0, 1, 2}), {{"--input", "-"}}, "--resume needs a file"},
      {some({0, 1, 2}), {{"--output", "-"}}, "--resume needs a file"},
      {some({0, 1, 2}), {{"--output", "pairs.jsonl"}}, "is also the input"},
  };
  const std::string pairs = read("pairs.jsonl");
  for (const Row& row : rows) {
    write("scores.jsonl", row.left);
    const Outcome outcome = score(row.other, {"--resume"});
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find(row.part_of_message), std::string::npos) << outcome.err;
    EXPECT_EQ(read("scores.jsonl"), row.left) << "what is refused stays as it is";
    EXPECT_EQ(read("pairs.jsonl"), pairs);
  }
}

TEST_F(Resume, WorksForEveryMethod) {
  const std::vector<std::string> arguments = {"score", "--input", "pairs.jsonl", "--output", "scores.jsonl"};
  ASSERT_EQ(run(arguments).exit, 0);
  const std::string whole = read("scores.jsonl");
  write("scores.jsonl", whole.substr(0, whole.size() / 3));
  auto resumed = arguments;
  resumed.push_back("--resume");
  const Outcome outcome = run(resumed);
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(read("scores.jsonl"), whole);
}

}  // namespace
}  // namespace rerank::testing
