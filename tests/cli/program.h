// Runs the built `rerank` as a user would, in a folder of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace rerank::testing {

struct Outcome {
  int exit = -1;    // exit code; 128 + the signal's number where one ended the program
  std::string out;  // all of stdout
  std::string err;  // all of stderr
};

struct Invocation {
  std::vector<std::string> arguments;
  std::string input = "";                     // what stdin holds
  std::vector<std::string> environment = {};  // "NAME=VALUE", beside the test's own
  std::string output_file = "";               // where stdout goes instead of Outcome::out
};

// A test whose working folder is fresh, and is also the program's.
class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Waits for the program to end.
  Outcome start(const Invocation& invocation) const;
  Outcome run(std::vector<std::string> arguments, std::string input = "") const {
    return start(Invocation{.arguments = std::move(arguments), .input = std::move(input)});
  }

  // Files by their name in the test's folder.
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }

 private:
  std::filesystem::path folder_;
};

}  // namespace rerank::testing
