#include "cli/hub_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace rerank::cli {
namespace {

namespace fs = std::filesystem;

// A cache as huggingface_hub lays it out, in a folder of the test's own.
class HubCache : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
    fs::create_directories(root_);
    for (const char* name : {"HF_HOME", "XDG_CACHE_HOME"}) unsetenv(name);
    setenv("HF_HUB_CACHE", root_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("HF_HUB_CACHE");
    fs::remove_all(root_);
  }

  void write_ref(const std::string& commit) {
    const fs::path refs = root_ / "models--BAAI--bge-reranker-base" / "refs";
    fs::create_directories(refs);
    std::ofstream(refs / "main") << commit;
  }
  fs::path snapshot(const std::string& commit) {
    return root_ / "models--BAAI--bge-reranker-base" / "snapshots" / commit;
  }

  fs::path root_;
};

TEST_F(HubCache, FindsTheSnapshotOfMain) {
  write_ref("2cfc18c9");
  fs::create_directories(snapshot("2cfc18c9"));
  const auto found = locate_model("BAAI/bge-reranker-base");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found.value(), snapshot("2cfc18c9"));
}

TEST_F(HubCache, SaysHowToGetWhatIsNotThere) {
  const auto found = locate_model("BAAI/bge-reranker-base");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.error().message().find("huggingface-cli download BAAI/bge-reranker-base"), std::string::npos);
}

TEST_F(HubCache, RefusesADownloadWithoutSnapshot) {
  write_ref("2cfc18c9");
  EXPECT_FALSE(locate_model("BAAI/bge-reranker-base").ok());
}

TEST_F(HubCache, DoesNotFollowARefOutOfTheCache) {
  write_ref("../../..");
  const auto found = locate_model("BAAI/bge-reranker-base");
  EXPECT_FALSE(found.ok());
}

TEST_F(HubCache, TheFolderIsChosenAsHuggingfaceHubDoes) {
  EXPECT_EQ(hub_cache_folder(), root_);
  setenv("HF_HUB_CACHE", "", 1);
  setenv("HF_HOME", "/some/home", 1);
  EXPECT_EQ(hub_cache_folder(), "/some/home/hub");
  unsetenv("HF_HOME");
  setenv("XDG_CACHE_HOME", "/some/cache", 1);
  EXPECT_EQ(hub_cache_folder(), "/some/cache/huggingface/hub");
  unsetenv("XDG_CACHE_HOME");
}

TEST(LocateModel, TakesAFolderBeforeAHubName) {
  const auto found = locate_model(testing::TempDir());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found.value(), testing::TempDir());
}

TEST(LocateModel, RefusesWhatIsNeither) {
  for (const char* model : {"no-such-folder", "/no/such/folder", "../x/y", "a/b/c", "/proc/self/stat", "a/"})
    EXPECT_FALSE(locate_model(model).ok()) << model;
}

TEST(IsHubName, NeedsOwnerAndName) {
  EXPECT_TRUE(is_hub_name("BAAI/bge-reranker-v2-m3"));
  EXPECT_TRUE(is_hub_name("lightblue/lb-reranker-0.5B-v1.0"));
  for (const char* name : {"", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a b/c", "-a/b", "./b"})
    EXPECT_FALSE(is_hub_name(name)) << name;
}

}  // namespace
}  // namespace rerank::cli
