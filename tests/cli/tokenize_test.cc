// rerank tokenize and rerank bench: the shape of their output and their bad input. Ids are the tokenizer's own tests'.
#include <gtest/gtest.h>

#include "cli/program.h"

namespace rerank::testing {
namespace {

class Tokenize : public ProgramTest {};
class Bench : public ProgramTest {};

TEST_F(Tokenize, EchoesIdsAndMarksTheSecondText) {
  const std::string input =
      "{\"id\":\"a\",\"text\":\"panda\"}\n"
      "{\"id\":7,\"text\":\"panda\",\"text_pair\":\"bear\"}\n"
      "{\"id\":\"c\",\"text\":\"\"}\n";
  const Outcome with = run({"tokenize", "--input", "-"}, input);
  ASSERT_EQ(with.exit, 0) << with.err;
  // [CLS] panda [SEP] bear [SEP], in the ids of the embedded model's uncased English vocabulary.
  EXPECT_EQ(with.out,
            "{\"id\":\"a\",\"ids\":[101,25462,102],\"type_ids\":[0,0,0]}\n"
            "{\"id\":7,\"ids\":[101,25462,102,4562,102],\"type_ids\":[0,0,0,1,1]}\n"
            "{\"id\":\"c\",\"ids\":[101,102],\"type_ids\":[0,0]}\n");
  const Outcome without = run({"tokenize", "--input", "-", "--no-special"}, input);
  ASSERT_EQ(without.exit, 0) << without.err;
  EXPECT_EQ(without.out,
            "{\"id\":\"a\",\"ids\":[25462],\"type_ids\":[0]}\n"
            "{\"id\":7,\"ids\":[25462,4562],\"type_ids\":[0,1]}\n"
            "{\"id\":\"c\",\"ids\":[],\"type_ids\":[]}\n");
}

TEST_F(Tokenize, ABadLineIsNamedAndTheLinesBeforeAreWritten) {
  for (const char* line : {"{\"id\":1}", "{\"text\":\"a\"}", "{\"id\":1,\"text\":2}", "{\"id\":[],\"text\":\"a\"}", "a",
                           "{\"id\":1,\"text\":\"a\",\"text_pair\":3}", "{\"id\":1,\"text\":\"\xff\"}"}) {
    write("t.jsonl", std::string("{\"id\":1,\"text\":\"panda\"}\n") + line + "\n");
    const Outcome outcome = run({"tokenize", "--input", "t.jsonl"});
    EXPECT_EQ(outcome.exit, 1) << line;
    EXPECT_EQ(outcome.out.rfind("{\"id\":1,\"ids\":[", 0), 0u) << line << '\n' << outcome.out;
    EXPECT_NE(outcome.err.find("t.jsonl line 2"), std::string::npos) << line << '\n' << outcome.err;
  }
}

TEST_F(Bench, PrintsOneLineAndWritesTheScores) {
  write("w.jsonl",
        "{\"query\":\"panda\",\"passages\":[\"a bear\",\"a city\"]}\n"
        "{\"query\":\"city\",\"passages\":[\"Paris\"]}\n"
        "{\"query\":\"not in the first two\",\"passages\":[\"x\"]}\n");
  const Outcome outcome = run({"bench", "--workload", "w.jsonl", "--repeat", "1", "--scores", "s.jsonl"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  for (const char* field : {"\"peer\":\"rerank.cpp\"", "\"dtype\":", "\"batch\":null", "\"checkpoint\":\"embedded\"",
                            "\"pairs\":3", "\"tokens\":", "\"pairs_s\":", "\"cpu_s\":", "\"tokens_s\":",
                            "\"peak_rss_mib\":", "\"cpu_level\":", "\"threads\":", "\"load_s\":"})
    EXPECT_NE(outcome.out.find(field), std::string::npos) << field << '\n' << outcome.out;
  const std::string scores = read("s.jsonl");
  EXPECT_EQ(std::count(scores.begin(), scores.end(), '\n'), 2) << scores;
}

TEST_F(Bench, BadWorkloadsAreNamed) {
  for (const char* text : {"", "{\"query\":\"a\"}\n", "{\"query\":\"a\",\"passages\":[1]}\n", "x\n",
                           "{\"query\":\"a\",\"passages\":[]}\n"}) {
    write("w.jsonl", text);
    const Outcome outcome = run({"bench", "--workload", "w.jsonl"});
    EXPECT_EQ(outcome.exit, 1) << text;
    EXPECT_NE(outcome.err.find("w.jsonl"), std::string::npos) << text << '\n' << outcome.err;
  }
}

}  // namespace
}  // namespace rerank::testing
