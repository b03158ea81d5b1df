#include "hub/cache.h"

#include <gtest/gtest.h>

#include "hub/checksum.h"
#include "hub/lock.h"
#include "hub/pull.h"
#include "io/test_files.h"

namespace rerank::hub {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'c');

class Cache : public ::testing::Test {
 protected:
  ModelCache cache() const { return {root_.path(), "BAAI/bge-reranker-base"}; }
  void write(const std::string& file, std::string_view text = "x") const {
    root_.write("models--BAAI--bge-reranker-base/" + file, text);
  }
  void write_snapshot(std::initializer_list<const char*> files) const {
    for (const char* file : files) write("snapshots/" + kCommit + "/" + file);
  }
  Result<fs::path> find(const std::string& revision = "main") const {
    return find_in_cache(root_.path(), {"BAAI/bge-reranker-base", revision});
  }
  std::string complaint(const std::string& revision = "main") const {
    const auto found = find(revision);
    EXPECT_FALSE(found.ok());
    return found.ok() ? std::string() : found.error().message();
  }

  rerank::testing::TempFolder root_;
};

TEST_F(Cache, FindsTheSnapshotOfARevision) {
  write("refs/main", kCommit);
  write("refs/refs/pr/1", kCommit + "\n");
  write_snapshot({"config.json", "model.safetensors", "tokenizer.json"});
  for (const std::string& revision : {std::string("main"), std::string("refs/pr/1"), kCommit}) {
    const auto found = find(revision);
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(found.value(), root_.path() / "models--BAAI--bge-reranker-base" / "snapshots" / kCommit);
  }
  EXPECT_NE(complaint("v2").find("revision \"v2\""), std::string::npos) << complaint("v2");
  EXPECT_NE(complaint("v2").find("rerank pull BAAI/bge-reranker-base --revision v2"), std::string::npos);
}

TEST_F(Cache, SaysHowToGetWhatIsNotThere) {
  EXPECT_NE(complaint().find("rerank pull BAAI/bge-reranker-base"), std::string::npos) << complaint();
  write("refs/main", kCommit);
  EXPECT_NE(complaint().find("holds no download"), std::string::npos) << complaint();
}

TEST_F(Cache, NamesWhatAnInterruptedDownloadLacks) {
  write("refs/main", kCommit);
  write_snapshot({"config.json", "tokenizer.json"});
  EXPECT_NE(complaint().find("model.safetensors missing"), std::string::npos) << complaint();
  write("snapshots/" + kCommit + "/model.safetensors.index.json",
        R"({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}})");
  write_snapshot({"m-1.safetensors"});
  EXPECT_NE(complaint().find("m-2.safetensors missing"), std::string::npos) << complaint();
  write_snapshot({"m-2.safetensors"});
  EXPECT_TRUE(find().ok());
}

TEST_F(Cache, AnIndexThatCannotBeReadIsMissing) {
  write("refs/main", kCommit);
  write_snapshot({"config.json", "tokenizer.json"});
  write("snapshots/" + kCommit + "/model.safetensors.index.json", R"({"weight_map": {"a": "../../../secret"}})");
  EXPECT_NE(complaint().find("model.safetensors.index.json missing"), std::string::npos) << complaint();
}

TEST_F(Cache, AFileThatTheCommitDoesNotHaveIsNotMissing) {
  write("refs/main", kCommit);
  write_snapshot({"config.json", "model.safetensors"});
  EXPECT_NE(complaint().find("tokenizer.json missing"), std::string::npos) << complaint();
  ASSERT_TRUE(cache().remember_absent(kCommit, "tokenizer.json").ok());
  EXPECT_TRUE(find().ok());
}

TEST_F(Cache, AnAdapterIsWhole) {
  write("refs/main", kCommit);
  write_snapshot({"adapter_config.json", "adapter_model.safetensors"});
  EXPECT_TRUE(find().ok());
}

TEST_F(Cache, ALinkToABlobThatIsGoneIsMissing) {
  write("refs/main", kCommit);
  write_snapshot({"config.json", "tokenizer.json"});
  ASSERT_TRUE(cache().link(kCommit, "model.safetensors", "sum").ok());
  EXPECT_NE(complaint().find("model.safetensors missing"), std::string::npos) << complaint();
  write("blobs/sum");
  EXPECT_TRUE(find().ok());
  EXPECT_EQ(fs::read_symlink(cache().snapshot(kCommit) / "model.safetensors"), "../../blobs/sum");
}

TEST_F(Cache, DoesNotFollowARefOutOfTheCache) {
  for (const char* commit : {"../../..", "..", "a/b", "", ".hidden"}) {
    write("refs/main", commit);
    EXPECT_FALSE(find().ok()) << commit;
  }
}

TEST_F(Cache, RefusesNamesAndRevisionsThatAreNone) {
  for (const char* name : {"", "a", "a/b/c", "../b", "a/.."})
    EXPECT_EQ(find_in_cache(root_.path(), {name, "main"}).error().code, Error::Code::kBadInput) << name;
  for (const char* revision : {"", "..", "a/../b", "/etc"})
    EXPECT_EQ(find(revision).error().code, Error::Code::kBadInput) << revision;
}

TEST_F(Cache, RemembersARevisionInPlaceOfAnOlderOne) {
  ASSERT_TRUE(cache().remember("main", kCommit).ok());
  EXPECT_EQ(cache().commit_of("main"), kCommit);
  const std::string newer(40, 'd');
  ASSERT_TRUE(cache().remember("main", newer).ok());
  EXPECT_EQ(rerank::testing::read_file(cache().folder() / "refs" / "main"), newer);
  ASSERT_TRUE(cache().remember(newer, newer).ok());
  EXPECT_FALSE(fs::exists(cache().folder() / "refs" / newer));
}

TEST_F(Cache, WhereNothingMayBeWrittenAnotherFolderIsNamed) {
  const fs::path file = root_.write("a-file", "x");
  const Status made = make_folder(file / "cache");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, Error::Code::kIo);
  EXPECT_NE(made.error().message().find("HF_HUB_CACHE"), std::string::npos) << made.error().message();
}

TEST_F(Cache, ALockIsTakenAgainAfterItsFileWasRemoved) {
  const fs::path path = cache().lock("sum");
  bool waited = false;
  const auto lock = FileLock::acquire(path, [&] { waited = true; });
  ASSERT_TRUE(lock.ok());
  fs::remove(path);
  const auto other = FileLock::acquire(path, [&] { waited = true; });
  ASSERT_TRUE(other.ok()) << other.error().message();
  EXPECT_FALSE(waited);
  EXPECT_TRUE(fs::exists(path));
}

TEST(Checksum, AreGitsAndSha256) {
  Checksum git(Expected::Kind::kGitSha1, 6);
  git.add("hel");
  git.add("lo\n");
  EXPECT_EQ(git.digest(), "ce013625030ba8dba906f756967f9e9ca394464a");
  Checksum sha(Expected::Kind::kSha256, 6);
  sha.add("hello\n");
  EXPECT_EQ(sha.digest(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

}  // namespace
}  // namespace rerank::hub
