#include "io/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <numeric>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::AsNobody;
using rerank::testing::TempFolder;

// Bytes of this process that are mapped from files and resident.
std::size_t resident_file_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0, resident = 0, shared = 0;
  statm >> size >> resident >> shared;
  return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t sum(std::span<const std::byte> bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), std::size_t{0},
                         [](std::size_t total, std::byte byte) { return total + std::to_integer<std::size_t>(byte); });
}

TEST(MappedFile, HoldsTheBytesOfTheFile) {
  const TempFolder folder;
  auto opened = MappedFile::open(folder.write("a", std::string("x\0y", 3)));
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const MappedFile moved = std::move(opened).value();
  EXPECT_EQ(moved.text(), std::string_view("x\0y", 3));
}

TEST(MappedFile, DroppedPagesLeaveMemoryAndComeBackWithTheSameBytes) {
  constexpr std::size_t kBytes = 32 << 20;
  const TempFolder folder;
  const auto opened = MappedFile::open(folder.write("a", std::string(kBytes, '\3')));
  ASSERT_TRUE(opened.ok());
  const MappedFile& file = opened.value();
  file.will_need(0, kBytes);
  ASSERT_EQ(sum(file.bytes()), 3 * kBytes);
  const std::size_t before = resident_file_bytes();
  file.drop(100, kBytes - 100);  // the first page holds bytes that are not to be dropped
  EXPECT_LE(resident_file_bytes() + kBytes - (1 << 20), before);
  EXPECT_EQ(sum(file.bytes()), 3 * kBytes);
}

TEST(MappedFile, RangesBeyondTheEndAreCut) {
  const TempFolder folder;
  const auto opened = MappedFile::open(folder.write("a", "12345"));
  ASSERT_TRUE(opened.ok());
  opened.value().will_need(3, ~std::size_t{0});
  opened.value().drop(0, ~std::size_t{0});
  opened.value().drop(99, 1);
  EXPECT_EQ(opened.value().text(), "12345");
}

TEST(MappedFile, SaysWhyAFileCannotBeRead) {
  const TempFolder folder;
  const auto missing = MappedFile::open(folder.path() / "nothing");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Error::Code::kNotFound);
  EXPECT_EQ(missing.error().what, "cannot open: No such file or directory");
  EXPECT_EQ(missing.error().where, (folder.path() / "nothing").string());

  const auto is_folder = MappedFile::open(folder.path());
  ASSERT_FALSE(is_folder.ok());
  EXPECT_EQ(is_folder.error().code, Error::Code::kIo);
  EXPECT_EQ(is_folder.error().what, "cannot read: Is a directory");

  const auto empty = MappedFile::open(folder.write("empty", ""));
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, Error::Code::kCorrupt);
  EXPECT_EQ(empty.error().what, "is empty");

  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  const auto pipe = MappedFile::open(folder.path() / "pipe");
  ASSERT_FALSE(pipe.ok());
  EXPECT_EQ(pipe.error().what, "is not a regular file");
}

TEST(MappedFile, SaysWhenThePermissionIsMissing) {
  const TempFolder folder;
  const auto path = folder.write("a", "x");
  ASSERT_EQ(::chmod(path.c_str(), 0), 0);
  const auto opened = [&] {
    const AsNobody nobody;
    return MappedFile::open(path);
  }();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Error::Code::kIo);
  EXPECT_EQ(opened.error().what, "cannot open: Permission denied");
}

}  // namespace
}  // namespace rerank::io
