#include "cli/locate_model.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "io/test_files.h"

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'c');

// Without a network, and with a cache of the test's own. What a hub adds to that, tests/hub shows.
class LocateModel : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("HF_HUB_CACHE", root_.path().c_str(), 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    for (const char* file : {"config.json", "tokenizer.json", "model.safetensors"})
      root_.write("models--o--n/snapshots/" + kCommit + "/" + file, "x");
    root_.write("models--o--n/refs/main", kCommit);
  }
  void TearDown() override {
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HUB_OFFLINE");
  }

  rerank::testing::TempFolder root_;
};

TEST_F(LocateModel, TakesAFolderBeforeAHubName) {
  const auto found = locate_model(root_.path());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found.value(), root_.path());
}

TEST_F(LocateModel, FindsWhatIsInTheCache) {
  for (const std::string& revision : {std::string("main"), kCommit}) {
    const auto found = locate_model("o/n", {.revision = revision, .offline = false});
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(found.value(), root_.path() / "models--o--n" / "snapshots" / kCommit);
  }
}

TEST_F(LocateModel, WithoutANetworkSaysHowToFetch) {
  for (const char* name : {"o/other", "no/such-folder"}) {
    const auto found = locate_model(name);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, Error::Code::kNotFound);
    const std::string text = found.error().message();
    EXPECT_NE(text.find("is no folder here; is not in the local Hugging Face cache"), std::string::npos) << text;
    EXPECT_NE(text.find(std::string("rerank pull ") + name), std::string::npos) << text;
  }
  fs::remove(root_.path() / "models--o--n" / "snapshots" / kCommit / "tokenizer.json");
  const auto part = locate_model("o/n");
  ASSERT_FALSE(part.ok());
  EXPECT_NE(part.error().message().find("tokenizer.json missing"), std::string::npos) << part.error().message();
}

TEST_F(LocateModel, RefusesWhatIsNeither) {
  for (const char* model : {"no-such-folder", "/no/such/folder", "../x/y", "a/b/c", "/proc/self/stat", "a/", ""})
    EXPECT_FALSE(locate_model(model).ok()) << model;
}

}  // namespace
}  // namespace rerank::cli
