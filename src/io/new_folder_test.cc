#include "io/new_folder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/test_files.h"

namespace rerank::io {
namespace {

namespace fs = std::filesystem;
using rerank::testing::AsNobody;
using rerank::testing::read_file;
using rerank::testing::TempFolder;

std::ptrdiff_t entries(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

TEST(NewFolder, AppearsWithAllItsFiles) {
  const TempFolder around;
  const fs::path wanted = around.path() / "new/";
  {
    auto made = NewFolder::create(wanted);
    ASSERT_TRUE(made.ok()) << made.error().message();
    NewFolder folder = std::move(made).value();
    ASSERT_TRUE(folder.write("a.txt", "one").ok());
    EXPECT_FALSE(fs::exists(around.path() / "new"));
    ASSERT_TRUE(folder.publish().ok());
  }
  EXPECT_EQ(read_file(around.path() / "new/a.txt"), "one");
  EXPECT_EQ(entries(around.path()), 1);
}

TEST(NewFolder, LeavesNothingWithoutPublishing) {
  const TempFolder around;
  {
    const auto made = NewFolder::create(around.path() / "new");
    ASSERT_TRUE(made.ok());
    ASSERT_TRUE(made.value().write("a.txt", "one").ok());
    // A second one at the same time is another.
    EXPECT_NE(NewFolder::create(around.path() / "new").value().path(), made.value().path());
  }
  EXPECT_EQ(entries(around.path()), 0);
}

TEST(NewFolder, TakesAnEmptyFoldersPlaceAndNoOthers) {
  const TempFolder around;
  fs::create_directory(around.path() / "empty");
  auto made = NewFolder::create(around.path() / "empty");
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_TRUE(made.value().publish().ok());

  around.write("full/file", "x");
  around.write("file", "x");
  for (const char* name : {"full", "file"}) {
    const auto refused = NewFolder::create(around.path() / name);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, Error::Code::kBadInput);
    EXPECT_NE(refused.error().message().find(name), std::string::npos);
  }
  EXPECT_EQ(NewFolder::create(around.path() / "no/such/folder").error().code, Error::Code::kBadInput);
}

TEST(NewFolder, DoesNotReplaceWhatCameMeanwhile) {
  const TempFolder around;
  auto made = NewFolder::create(around.path() / "new");
  ASSERT_TRUE(made.ok());
  around.write("new/file", "x");
  const Status refused = made.value().publish();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Error::Code::kBadInput);
  EXPECT_EQ(read_file(around.path() / "new/file"), "x");
}

TEST(NewFolder, NeedsPermission) {
  const TempFolder around;
  fs::permissions(around.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_exec);
  const AsNobody nobody;
  const auto refused = NewFolder::create(around.path() / "new");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Error::Code::kIo);
}

}  // namespace
}  // namespace rerank::io
