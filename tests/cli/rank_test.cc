// rerank rank: both forms of the passage file, both forms of the output.
#include <gtest/gtest.h>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Rank : public ProgramTest {};

const std::string kPlain =
    "Paris is the capital of France.\n"
    "\n"
    "The giant panda is a bear that lives in China and eats bamboo.\n"
    "Interest rates rose again.\n";

TEST_F(Rank, ThePassageThatAnswersComesFirst) {
  write("p.txt", kPlain);
  const Outcome outcome = run({"rank", "--query", "what does a giant panda eat?", "--passages", "p.txt"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3) << outcome.out;
  const std::string first = outcome.out.substr(0, outcome.out.find('\n'));
  EXPECT_EQ(first.rfind("1  ", 0), 0u) << first;
  EXPECT_NE(first.find("line 3  The giant panda"), std::string::npos) << first;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << "no colour in a pipe";
}

TEST_F(Rank, JsonLinesEchoTheIds) {
  const std::string passages =
      "{\"id\":\"a \\\"1\\\"\",\"text\":\"Paris is the capital of France.\"}\n"
      "{\"id\":17,\"text\":\"The giant panda eats\\nbamboo.\"}\n"
      "{\"text\":\"Interest rates\"}\n";
  const Outcome outcome = run({"rank", "--query", "giant panda food", "--passages", "-", "--json"}, passages);
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("{\"rank\":1,\"index\":", 0), 0u) << outcome.out;
  EXPECT_NE(outcome.out.find("\"index\":1,\"id\":17,\"score\":"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\"text\":\"The giant panda eats\\nbamboo.\"}\n"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\"index\":0,\"id\":\"a \\\"1\\\"\",\"score\":"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("\"index\":2,\"score\":"), std::string::npos) << outcome.out;
}

TEST_F(Rank, TopNCutsTheList) {
  write("p.txt", kPlain);
  const Outcome outcome = run({"rank", "--query", "panda", "--passages", "p.txt", "--top-n", "1", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1) << outcome.out;
}

TEST_F(Rank, BlankLinesAreNotCounted) {
  write("p.txt", "\n \nThe only passage.\n\n");
  const Outcome outcome = run({"rank", "--query", "passage", "--passages", "p.txt", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("{\"rank\":1,\"index\":0,\"score\":", 0), 0u) << outcome.out;
}

TEST_F(Rank, ALineThatOnlyLooksLikeJsonIsText) {
  write("p.txt", "{braces} are text here\n{\n");
  const Outcome outcome = run({"rank", "--query", "braces", "--passages", "p.txt", "--json"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("\"text\":\"{braces} are text here\""), std::string::npos) << outcome.out;
}

TEST_F(Rank, LongPassagesAreShownInOneLine) {
  write("p.txt", std::string(5000, 'x') + "\x1b[31m\n");
  const Outcome outcome =
      start(Invocation{.arguments = {"rank", "--query", "x", "--passages", "p.txt"}, .environment = {"COLUMNS=60"}});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_LT(outcome.out.size(), 70u) << outcome.out;
  EXPECT_NE(outcome.out.find("…"), std::string::npos) << outcome.out;
}

TEST_F(Rank, BadInputIsNamed) {
  struct Case {
    const char* why;
    std::string query, file, passages, expected;
  };
  const Case cases[] = {
      {"no passages", "q", "p.txt", "", "p.txt"},
      {"only blank lines", "q", "p.txt", "\n  \n", "p.txt"},
      {"empty query", "", "p.txt", "a\n", "--query"},
      {"blank query", " \t", "p.txt", "a\n", "--query"},
      {"query that is not UTF-8", "a\xff", "p.txt", "a\n", "UTF-8"},
      {"text that is not UTF-8", "q", "p.txt", "a\nb\xff\n", "p.txt line 2"},
      {"record without text", "q", "p.jsonl", "{\"text\":\"a\"}\n{\"txt\":\"a\"}\n", "p.jsonl line 2"},
      {"first record without text", "q", "p.jsonl", "{\"txt\":\"a\"}\n", "p.jsonl line 1"},
      {"record that is broken", "q", "p.jsonl", "{\"text\":\"a\"}\n\n{\"text\":\n", "p.jsonl line 3"},
      {"first record that is broken", "q", "p.jsonl", "{\"text\":\n", "p.jsonl line 1"},
      {"record with a bad id", "q", "p.jsonl", "{\"text\":\"a\",\"id\":[1]}\n", "p.jsonl line 1"},
      {"line that is no record", "q", "p.jsonl", "{\"text\":\"a\"}\nb\n", "p.jsonl line 2"},
  };
  for (const auto& [why, query, file, passages, expected] : cases) {
    write(file, passages);
    const Outcome outcome = run({"rank", "--query", query, "--passages", file});
    EXPECT_EQ(outcome.exit, 1) << why << '\n' << outcome.err;
    EXPECT_EQ(outcome.out, "") << why;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
  }
  const Outcome missing = run({"rank", "--query", "q", "--passages", "no-such.txt"});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_NE(missing.err.find("no-such.txt"), std::string::npos) << missing.err;
}

TEST_F(Rank, AFullDiskIsNotSilent) {
  write("p.txt", kPlain);
  const Outcome outcome =
      start(Invocation{.arguments = {"rank", "--query", "q", "--passages", "p.txt"}, .output_file = "/dev/full"});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_NE(outcome.err.find("No space left"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace rerank::testing
