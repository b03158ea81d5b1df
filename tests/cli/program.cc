#include "cli/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace rerank::testing {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

void set_contents(const fs::path& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  ASSERT_TRUE(stream.flush()) << file;
}

// What execve() wants of a list of strings; borrows them.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& string : strings) list.push_back(string.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

void ProgramTest::SetUp() {
  std::string name = fs::path(::testing::TempDir()) / "rerank-cli-XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr) << name;
  folder_ = name;
}

void ProgramTest::TearDown() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Outcome ProgramTest::start(const Invocation& invocation) const {
  // Files, not pipes: no side can wait for the other.
  const fs::path in = folder_ / ".stdin", out = folder_ / ".stdout", err = folder_ / ".stderr";
  set_contents(in, invocation.input);
  const std::string stdout_file = invocation.output_file.empty() ? out.string() : invocation.output_file;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, stdout_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, folder_.c_str());

  std::vector<std::string> arguments = {RERANK_PROGRAM};
  arguments.insert(arguments.end(), invocation.arguments.begin(), invocation.arguments.end());
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  for (const std::string& entry : invocation.environment) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(environment, [&](const std::string& other) { return other.compare(0, name.size(), name) == 0; });
    environment.push_back(entry);
  }

  pid_t child = 0;
  const int refused =
      posix_spawn(&child, RERANK_PROGRAM, &actions, nullptr, pointers(arguments).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(refused, 0) << "cannot start " << RERANK_PROGRAM;
  if (refused != 0) return {};
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  Outcome outcome;
  outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (invocation.output_file.empty()) outcome.out = contents(out);
  outcome.err = contents(err);
  return outcome;
}

void ProgramTest::write(const std::string& name, const std::string& text) const {
  fs::create_directories((folder_ / name).parent_path());
  set_contents(folder_ / name, text);
}

std::string ProgramTest::read(const std::string& name) const {
  return contents(folder_ / name);
}

}  // namespace rerank::testing
