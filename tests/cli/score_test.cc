// rerank score: what goes in, what comes out, and what survives a bad line.
#include <gtest/gtest.h>

#include <sstream>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Score : public ProgramTest {};

std::string pair_line(const std::string& query, const std::string& passage) {
  return "{\"query\":\"" + query + "\",\"passage\":\"" + passage + "\"}\n";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The "index" of each line of output.
std::vector<int> indices(const std::string& out) {
  std::vector<int> list;
  for (const std::string& line : lines_of(out))
    list.push_back(std::stoi(line.substr(std::string("{\"index\":").size())));
  return list;
}

// What stands behind "score": in a line of output.
std::string score_of(const std::string& line) {
  const std::string key = "\"score\":";
  return line.substr(line.find(key) + key.size());
}

const std::string kGood = pair_line("what is a panda?", "The giant panda is a bear.");

TEST_F(Score, WritesAnIndexAndAScoreALine) {
  const std::string input = kGood + "\n" + pair_line("what is a panda?", "Paris is in France.") + "  \t\n" + kGood;
  const Outcome outcome = run({"score", "--input", "-"}, input);
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(indices(outcome.out), (std::vector<int>{0, 1, 2})) << "blank lines are not records";
  const auto lines = lines_of(outcome.out);
  EXPECT_EQ(score_of(lines[0]), score_of(lines[2]));
  EXPECT_NE(score_of(lines[0]), score_of(lines[1]));
}

TEST_F(Score, NormalizedScoresLieBetween0And1) {
  const Outcome outcome = run({"score", "--input", "-", "--normalize"}, kGood);
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const double value = std::stod(score_of(outcome.out));
  EXPECT_GT(value, 0);
  EXPECT_LT(value, 1);
}

TEST_F(Score, ReadsAndWritesFiles) {
  write("pairs.jsonl", kGood + kGood.substr(0, kGood.size() - 1));  // the last line need not end
  const Outcome outcome = run({"score", "--input", "pairs.jsonl", "--output", "scores.jsonl"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(indices(read("scores.jsonl")), (std::vector<int>{0, 1}));
}

TEST_F(Score, NothingInNothingOut) {
  const Outcome outcome = run({"score", "--input", "-"}, "");
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

struct OddPair {
  const char* why;
  std::string line;
};

TEST_F(Score, OddTextsAreScored) {
  const std::vector<OddPair> cases = {
      {"empty query", pair_line("", "a panda")},
      {"empty passage", pair_line("a panda", "")},
      {"both empty", pair_line("", "")},
      {"NUL and control characters", pair_line("a\\u0000b", "\\u0001\\u001f\\u007f")},
      {"a surrogate pair", pair_line("a panda", "\\ud83d\\udc3c")},
      {"10 MB", pair_line("a panda", std::string(10 << 20, 'a'))},
      {"10 MB of words",
       [] {
         std::string passage;
         while (passage.size() < (10 << 20)) passage += "bear bamboo ";
         return pair_line("a panda", passage);
       }()},
      {"other fields", "{\"id\":7,\"passage\":\"a panda\",\"query\":\"bear\",\"label\":null}\n"},
      {"a byte order mark", "\xEF\xBB\xBF" + kGood},
      {"a Windows line end", kGood.substr(0, kGood.size() - 1) + "\r\n"},
  };
  for (const auto& [why, line] : cases) {
    const Outcome outcome = run({"score", "--input", "-"}, line);
    EXPECT_EQ(outcome.exit, 0) << why << '\n' << outcome.err;
    EXPECT_EQ(indices(outcome.out), std::vector<int>{0}) << why;
  }
}

struct BadLine {
  const char* why;
  std::string line;
  const char* expected;
};

const std::vector<BadLine>& bad_lines() {
  static const std::vector<BadLine> lines = {
      {"broken JSON", "{\"query\":\"a\",\"passage\":", "JSON"},
      {"not JSON at all", "a panda", "JSON"},
      {"an array", "[\"a\",\"b\"]", "object"},
      {"a string", "\"a\"", "object"},
      {"a number", "17", "object"},
      {"no query", "{\"passage\":\"a\"}", "query"},
      {"no passage", "{\"query\":\"a\"}", "passage"},
      {"a query that is a number", "{\"query\":1,\"passage\":\"a\"}", "query"},
      {"a passage that is null", "{\"query\":\"a\",\"passage\":null}", "passage"},
      {"two objects", "{\"query\":\"a\",\"passage\":\"b\"} {}", "JSON"},
      {"invalid UTF-8", "{\"query\":\"a\xff\",\"passage\":\"b\"}", "UTF-8"},
      {"overlong UTF-8", "{\"query\":\"a\xc0\xaf\",\"passage\":\"b\"}", "UTF-8"},
      {"a raw NUL byte", std::string("{\"query\":\"a\0\",\"passage\":\"b\"}", 28), "JSON"},
      {"a lone surrogate", "{\"query\":\"a\\ud800\",\"passage\":\"b\"}", "JSON"},
  };
  return lines;
}

TEST_F(Score, ABadLineStopsItWithItsNumberAndTheScoresBefore) {
  for (const auto& [why, line, expected] : bad_lines()) {
    write("pairs.jsonl", kGood + "\n" + kGood + line + "\n" + kGood);
    const Outcome outcome = run({"score", "--input", "pairs.jsonl"});
    EXPECT_EQ(outcome.exit, 1) << why;
    EXPECT_EQ(indices(outcome.out), (std::vector<int>{0, 1})) << why;
    EXPECT_NE(outcome.err.find("pairs.jsonl"), std::string::npos) << why << '\n' << outcome.err;
    EXPECT_NE(outcome.err.find("4"), std::string::npos) << why << '\n' << outcome.err;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
  }
}

TEST_F(Score, ABadLineCanBeSkipped) {
  for (const auto& [why, line, expected] : bad_lines()) {
    write("pairs.jsonl", kGood + line + "\n" + kGood);
    const Outcome outcome = run({"score", "--input", "pairs.jsonl", "--on-error", "skip"});
    EXPECT_EQ(outcome.exit, 0) << why << '\n' << outcome.err;
    EXPECT_EQ(indices(outcome.out), (std::vector<int>{0, 2})) << why;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << why << '\n' << outcome.err;
    EXPECT_NE(outcome.err.find("1 bad line skipped"), std::string::npos) << why << '\n' << outcome.err;
  }
}

TEST_F(Score, FilesThatCannotBeReadOrWritten) {
  write("pairs.jsonl", kGood);
  const Outcome missing = run({"score", "--input", "no-such.jsonl"});
  EXPECT_EQ(missing.exit, 1);
  EXPECT_NE(missing.err.find("no-such.jsonl"), std::string::npos) << missing.err;
  const Outcome folder = run({"score", "--input", "."});
  EXPECT_EQ(folder.exit, 1) << folder.err;
  const Outcome full = run({"score", "--input", "pairs.jsonl", "--output", "/dev/full"});
  EXPECT_EQ(full.exit, 3);
  EXPECT_NE(full.err.find("/dev/full"), std::string::npos) << full.err;
  const Outcome full_stdout =
      start(Invocation{.arguments = {"score", "--input", "pairs.jsonl"}, .output_file = "/dev/full"});
  EXPECT_EQ(full_stdout.exit, 3);
  EXPECT_NE(full_stdout.err.find("No space left"), std::string::npos) << full_stdout.err;
  const Outcome no_folder = run({"score", "--input", "pairs.jsonl", "--output", "no/such/folder.jsonl"});
  EXPECT_EQ(no_folder.exit, 1) << no_folder.err;
}

TEST_F(Score, DoesNotOverwriteItsInput) {
  write("pairs.jsonl", kGood);
  const Outcome outcome = run({"score", "--input", "pairs.jsonl", "--output", "./pairs.jsonl"});
  EXPECT_EQ(outcome.exit, 1) << outcome.err;
  EXPECT_EQ(read("pairs.jsonl"), kGood);
}

TEST_F(Score, NeedsReadPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  write("pairs.jsonl", kGood);
  std::filesystem::permissions(path("pairs.jsonl"), std::filesystem::perms::none);
  const Outcome outcome = run({"score", "--input", "pairs.jsonl"});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_NE(outcome.err.find("ermission"), std::string::npos) << outcome.err;
}

TEST_F(Score, ALengthThatFitsNoPairIsAWrongArgument) {
  for (const char* length : {"2", "100000"}) {
    const Outcome outcome = run({"score", "--input", "-", "--max-length", length}, kGood);
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("max"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace rerank::testing
