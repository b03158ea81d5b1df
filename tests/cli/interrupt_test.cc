// Ctrl-C, a reader that leaves early, and a terminal: what the other tests cannot show with files alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "cli/program.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

// Runs the program as a child whose stdin, stdout and stderr are these descriptors, which are closed here.
pid_t start_with(std::vector<std::string> arguments, int in, int out, int err) {
  arguments.insert(arguments.begin(), RERANK_PROGRAM);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    for (int fd = 3; fd < 64; ++fd) close(fd);
    execv(RERANK_PROGRAM, pointers.data());
    _exit(127);
  }
  for (const int fd : {in, out, err}) close(fd);
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// All that comes until the other side closes.
std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t bytes; (bytes = ::read(fd, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<std::size_t>(bytes));
  close(fd);
  return text;
}

class Interrupt : public ProgramTest {
 protected:
  // Enough pairs for many windows.
  void write_pairs(int count) const {
    std::string text;
    for (int n = 0; n < count; ++n)
      text += "{\"query\":\"what is a panda?\",\"passage\":\"number " + std::to_string(n) + " is a panda\"}\n";
    write("pairs.jsonl", text);
  }
};

TEST_F(Interrupt, WhatWasScoredIsWritten) {
  write_pairs(200'000);
  int out[2];
  ASSERT_EQ(pipe(out), 0);
  const pid_t child = start_with({"score", "--input", path("pairs.jsonl")}, open("/dev/null", O_RDONLY), out[1],
                                 open("/dev/null", O_WRONLY));
  std::string text(1, '\0');
  ASSERT_EQ(::read(out[0], text.data(), 1), 1) << "the first window is written long before the end";
  kill(child, SIGINT);
  text += read_all(out[0]);
  EXPECT_EQ(wait_for(child), 130);
  EXPECT_EQ(text.back(), '\n') << "whole lines only";
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 200'000);
}

TEST_F(Interrupt, AReaderThatLeavesEndsItQuietly) {
  write_pairs(20'000);
  int out[2], err[2];
  ASSERT_EQ(pipe(out), 0);
  ASSERT_EQ(pipe(err), 0);
  const pid_t child =
      start_with({"score", "--input", path("pairs.jsonl")}, open("/dev/null", O_RDONLY), out[1], err[1]);
  char first = 0;
  ASSERT_EQ(::read(out[0], &first, 1), 1);
  close(out[0]);
  EXPECT_EQ(read_all(err[0]), "");
  EXPECT_EQ(wait_for(child), 128 + SIGPIPE);
}

// Little memory lets pairs finish one after the other.
TEST_F(Interrupt, ReasoningGoesOnWithResume) {
  TinyModel::Folder model;
  TinyCausal::qwen2(false).write(model);
  write_pairs(60);
  std::vector<std::string> arguments = {
      "score",   "--model",           model.path,         "--method", "reasoning", "--dtype",          "f32",
      "--input", path("pairs.jsonl"), "--max-new-tokens", "100",      "--output",  path("whole.jsonl")};
  ASSERT_EQ(run(arguments).exit, 0);
  arguments.back() = path("scores.jsonl");
  arguments.insert(arguments.end(), {"--kv-memory", "400K"});
  int err[2];
  ASSERT_EQ(pipe(err), 0);
  const pid_t child = start_with(arguments, open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY), err[1]);
  const auto holds_scores = [&] {
    std::error_code not_there;
    const auto size = std::filesystem::file_size(path("scores.jsonl"), not_there);
    return !not_there && size > 0;
  };
  for (int tries = 0; tries < 6000 && !holds_scores(); ++tries) usleep(5'000);
  kill(child, SIGINT);
  const std::string said = read_all(err[0]);
  EXPECT_EQ(wait_for(child), 130);
  EXPECT_NE(said.find("with --resume goes on"), std::string::npos) << said;
  EXPECT_LT(read("scores.jsonl").size(), read("whole.jsonl").size());
  arguments.push_back("--resume");
  EXPECT_EQ(run(arguments).exit, 0);
  EXPECT_EQ(read("scores.jsonl"), read("whole.jsonl"));
}

TEST_F(Interrupt, ATerminalSeesTheProgress) {
  write_pairs(1'000);
  for (const bool quiet : {false, true}) {
    int terminal = -1, program_side = -1;
    ASSERT_EQ(openpty(&terminal, &program_side, nullptr, nullptr, nullptr), 0);
    std::vector<std::string> arguments = {"score", "--input", path("pairs.jsonl")};
    if (quiet) arguments.push_back("--quiet");
    const pid_t child = start_with(arguments, open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY), program_side);
    const std::string seen = read_all(terminal);
    EXPECT_EQ(wait_for(child), 0) << seen;
    EXPECT_EQ(seen.find("%  ") != std::string::npos, !quiet) << seen;
    EXPECT_EQ(seen.ends_with("\r\x1b[K"), !quiet) << "the line is taken away at the end";
  }
}

}  // namespace
}  // namespace rerank::testing
