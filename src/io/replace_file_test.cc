#include "io/replace_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::TempFolder;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

TEST(ReplaceFile, MakesAndReplaces) {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "a.json";
  ASSERT_TRUE(replace_file(path, "one").ok());
  EXPECT_EQ(text_of(path), "one");
  ASSERT_TRUE(replace_file(path, "").ok());
  EXPECT_EQ(text_of(path), "");
  EXPECT_EQ(files_in(folder.path()), 1U) << "nothing is left beside it";
}

TEST(ReplaceFile, AnOpenReaderKeepsTheOldText) {
  const TempFolder folder;
  folder.write("a.json", "old");
  std::ifstream reader(folder.path() / "a.json");
  ASSERT_TRUE(replace_file(folder.path() / "a.json", "new and longer").ok());
  std::string word;
  reader >> word;
  EXPECT_EQ(word, "old");
}

TEST(ReplaceFile, ALinkStaysALink) {
  const TempFolder folder;
  folder.write("real.json", "old");
  std::filesystem::create_symlink("real.json", folder.path() / "link.json");
  ASSERT_TRUE(replace_file(folder.path() / "link.json", "new").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link.json"));
  EXPECT_EQ(text_of(folder.path() / "real.json"), "new");
}

TEST(ReplaceFile, AFailureChangesNothing) {
  const TempFolder folder;
  EXPECT_EQ(replace_file(folder.path() / "nowhere" / "a.json", "x").error().code, Error::Code::kNotFound);
  std::filesystem::create_directories(folder.path() / "full" / "inside");
  const Status status = replace_file(folder.path() / "full", "x");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Error::Code::kIo);
  EXPECT_EQ(files_in(folder.path()), 1U);
}

}  // namespace
}  // namespace rerank::io
