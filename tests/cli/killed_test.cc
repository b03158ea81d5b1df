// rerank run --resume after kills that leave no time to tidy up.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "cli/program.h"
#include "support/sanitized.h"
#include "support/shared_data.h"

namespace rerank::testing {
namespace {

class Killed : public ProgramTest {
 protected:
  // Starts the program, and kills it once the file has that many bytes. False where it came to its end before.
  bool kill_at(std::vector<std::string> words, std::uintmax_t bytes) const {
    words.insert(words.begin(), RERANK_PROGRAM);
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string folder = path("").string();
    const pid_t child = fork();
    if (child == 0) {
      if (chdir(folder.c_str()) != 0) _exit(126);
      execv(RERANK_PROGRAM, pointers.data());
      _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      std::error_code ignored;
      const std::uintmax_t size = std::filesystem::file_size(path("out.trec"), ignored);
      if (!ignored && size >= bytes) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return WIFSIGNALED(status);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    return false;
  }

  // `collection` are the options that name the data. `lines` is what the whole ranking has.
  void kill_ten_times(const std::vector<std::string>& collection, std::ptrdiff_t lines) const {
    const auto arguments = [&](const char* output) {
      std::vector<std::string> words = {"run", "--output", output, "--quiet", "--resume"};
      words.insert(words.end(), collection.begin(), collection.end());
      return words;
    };
    ASSERT_EQ(run(arguments("whole.trec")).exit, 0);
    const std::string whole = read("whole.trec");
    ASSERT_EQ(std::count(whole.begin(), whole.end(), '\n'), lines);
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    int kills = 0;
    for (int round = 0; round < 10; ++round) {
      // Somewhere in the next tenth, so that all ten come to pass.
      const std::size_t from = whole.size() * static_cast<std::size_t>(round) / 11, tenth = whole.size() / 11;
      kills += kill_at(arguments("out.trec"), from + 1 + random() % tenth) ? 1 : 0;
      const std::string left = read("out.trec");
      EXPECT_EQ(left, whole.substr(0, left.size())) << "a kill left something else";
      const auto manifest = nlohmann::json::parse(read("out.trec.manifest.json"), nullptr, false);
      EXPECT_FALSE(manifest.is_discarded()) << "a kill left half a manifest";
    }
    EXPECT_GE(kills, 5) << "the program was faster than this test could look";
    const Outcome last = run(arguments("out.trec"));
    EXPECT_EQ(last.exit, 0) << last.err;
    EXPECT_EQ(read("out.trec"), whole);
    const auto manifest = nlohmann::json::parse(read("out.trec.manifest.json"));
    // Not one for each kill: some come before the part is noted.
    EXPECT_GT(manifest["parts"].size(), 1U);
    EXPECT_EQ(manifest["parts"].back()["state"], "done");
  }
};

TEST_F(Killed, TenTimesAtRandomGivesTheFileOfAnUninterruptedRun) {
  constexpr int kQueries = kSanitized ? 12 : 40, kPassages = kSanitized ? 4 : 25;
  std::string corpus, queries, run;
  for (int p = 0; p < kPassages; ++p) corpus += fmt::format("d{}\tpassage {} about pandas\n", p, p * 37 % 11);
  for (int q = 0; q < kQueries; ++q) {
    queries += fmt::format("q{}\tquestion {}\n", q, q);
    for (int p = 0; p < kPassages; ++p) run += fmt::format("q{} Q0 d{} 1 {} t\n", q, p, p);
  }
  write("corpus.tsv", corpus);
  write("topics.tsv", queries);
  write("first.trec", run);
  kill_ten_times({"--corpus", "corpus.tsv", "--topics", "topics.tsv", "--run", "first.trec"}, kQueries * kPassages);
}

// The same on a real collection, with as many passages as do not take long.
TEST_F(Killed, TenTimesAtRandomOnSciFact) {
  RERANK_NEED_SHARED("data/scifact");
  if (kSanitized) GTEST_SKIP() << "the same as above, slower";
  const std::string folder = (shared_dir() / "data/scifact").string();
  kill_ten_times({"--dataset", folder, "--run", folder + "/run.bm25.txt", "--queries", "30", "--top-k", "10",
                  "--max-length", "64"},
                 300);
}

}  // namespace
}  // namespace rerank::testing
