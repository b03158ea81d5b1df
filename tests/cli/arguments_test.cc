// What the program answers before any work begins: help, version, wrong arguments, models that are none.
#include <gtest/gtest.h>

#include "cli/program.h"

namespace rerank::testing {
namespace {

constexpr const char* kCommands[] = {"rank",     "score",    "run",    "eval",     "eval-protocol", "compare", "fuse",
                                     "retrieve", "convert",  "report", "tokenize", "info",          "bench",   "verify",
                                     "quantize", "generate", "serve",  "pull",     "models"};

class Arguments : public ProgramTest {};

TEST_F(Arguments, WithoutACommandTheHelpIsAnError) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.exit, 1);
  EXPECT_EQ(outcome.out, "");
  for (const char* command : kCommands) EXPECT_NE(outcome.err.find(command), std::string::npos) << command;
}

TEST_F(Arguments, EveryCommandHelpsWithExamples) {
  for (const char* command : kCommands) {
    const Outcome outcome = run({command, "--help"});
    EXPECT_EQ(outcome.exit, 0) << command;
    EXPECT_NE(outcome.out.find("Examples:\n"), std::string::npos) << command;
    EXPECT_NE(outcome.out.find(std::string("rerank ") + command), std::string::npos) << command;
    EXPECT_EQ(outcome.err, "") << command;
  }
}

TEST_F(Arguments, SaysItsVersion) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_EQ(outcome.out.rfind("rerank ", 0), 0u) << outcome.out;
}

TEST_F(Arguments, WrongOnesAreNamedWithAHint) {
  struct Case {
    std::vector<std::string> arguments;
    const char* expected;
  };
  write("p.txt", "a panda\n");
  const Case cases[] = {
      {{"rnak"}, "rnak"},
      {{"rank"}, "--query is required"},
      {{"rank", "--query", "q"}, "--passages is required"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--colour"}, "--colour"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--dtype", "f16"}, "--dtype"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--truncation", "none"}, "--truncation"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--threads", "-1"}, "--threads"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--threads", "many"}, "--threads"},
      {{"rank", "--query", "q", "--passages", "p.txt", "--max-length", "0"}, "--max-length"},
      {{"rank", "--query", "q", "--query", "r", "--passages", "p.txt"}, "--query"},
      {{"score", "--input", "x", "--on-error", "ignore"}, "--on-error"},
      {{"bench", "--workload", "x", "--repeat", "0"}, "--repeat"},
  };
  for (const auto& [arguments, expected] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 1) << expected << '\n' << outcome.err;
    EXPECT_EQ(outcome.out, "") << expected;
    EXPECT_EQ(outcome.err.rfind("rerank: ", 0), 0u) << outcome.err;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("--help"), std::string::npos) << outcome.err;
  }
}

TEST_F(Arguments, AModelThatCannotBeLoadedIsExitCode2) {
  struct Case {
    const char* why;
    std::string model, expected;
  };
  write("empty/readme.txt", "nothing of a model in here");
  write("broken/config.json", "{\"architectures\": [");
  write("broken/tokenizer.json", "{\"version\": ");
  write("plain.txt", "a file\n");
  write("p.txt", "a panda\n");
  const Case cases[] = {
      {"no such folder", "/no/such/folder", "/no/such/folder"},
      {"a folder without a model", "empty", "empty"},
      {"broken JSON", "broken", "broken"},
      {"a file", "plain.txt", "plain.txt: is a file"},
      {"a hub name that was not downloaded", "BAAI/bge-reranker-base", "rerank pull BAAI/bge-reranker-base"},
  };
  for (const auto& [why, model, expected] : cases) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{"info"},
                                                    {"rank", "--query", "q", "--passages", "p.txt"},
                                                    {"tokenize", "--input", "-"}}) {
      Invocation invocation{.arguments = command,
                            .environment = {"HF_HUB_CACHE=" + path("hub").string(), "HF_HUB_OFFLINE=1"}};
      invocation.arguments.insert(invocation.arguments.end(), {"--model", model});
      const Outcome outcome = start(invocation);
      EXPECT_EQ(outcome.exit, 2) << why << ": " << command[0] << '\n' << outcome.err;
      EXPECT_EQ(outcome.out, "") << why;
      EXPECT_NE(outcome.err.find(expected), std::string::npos) << outcome.err;
    }
  }
}

TEST_F(Arguments, AnUnknownMethodOrLevelIsAWrongArgument) {
  for (const char* option : {"--method", "--cpu-level"}) {
    const Outcome outcome = run({"info", option, "perhaps"});
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("perhaps"), std::string::npos) << outcome.err;
  }
  const Outcome outcome = start(Invocation{.arguments = {"info"}, .environment = {"RERANK_CPU_LEVEL=perhaps"}});
  EXPECT_EQ(outcome.exit, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("perhaps"), std::string::npos) << outcome.err;
}

TEST_F(Arguments, InfoDescribesTheEmbeddedModel) {
  const Outcome people = run({"info"}), programs = run({"info", "--json"});
  EXPECT_EQ(people.exit, 0) << people.err;
  EXPECT_NE(people.out.find("cross-encoder"), std::string::npos);
  EXPECT_EQ(programs.exit, 0) << programs.err;
  EXPECT_EQ(programs.out.rfind("{\"name\":\"embedded\",", 0), 0u) << programs.out;
}

}  // namespace
}  // namespace rerank::testing
