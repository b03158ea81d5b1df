#include "io/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::AsNobody;
using rerank::testing::read_file;
using rerank::testing::TempFolder;

TEST(OutputFile, IsSeenByOthersAfterAFlush) {
  const TempFolder folder;
  const auto path = folder.write("out", "what was there before");
  auto opened = OutputFile::open(path.string());
  ASSERT_TRUE(opened.ok());
  OutputFile& output = opened.value();
  ASSERT_TRUE(output.write("one\n").ok());
  ASSERT_TRUE(output.flush().ok());
  EXPECT_EQ(read_file(path), "one\n");
  const std::string large(1 << 20, 'x');
  ASSERT_TRUE(output.write(large).ok());
  ASSERT_TRUE(output.close().ok());
  EXPECT_EQ(read_file(path), "one\n" + large);
}

TEST(OutputFile, WritesWhatIsBufferedWhenItIsDestroyed) {
  const TempFolder folder;
  const auto path = folder.path() / "out";
  {
    auto opened = OutputFile::open(path.string());
    ASSERT_TRUE(opened.ok());
    OutputFile moved = std::move(opened).value();
    ASSERT_TRUE(moved.write("one\n").ok());
  }
  EXPECT_EQ(read_file(path), "one\n");
}

TEST(OutputFile, AFullDiskIsAnErrorThatStays) {
  auto opened = OutputFile::open("/dev/full");
  ASSERT_TRUE(opened.ok());
  OutputFile& output = opened.value();
  ASSERT_TRUE(output.write("one\n").ok());  // buffered
  const Status flushed = output.flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().code, Error::Code::kIo);
  EXPECT_EQ(flushed.error().message(),
            "/dev/full: cannot write: No space left on device after 0 bytes, 0 complete lines, which are kept "
            "(free some space, or write to another disk)");
  EXPECT_EQ(output.write("two\n").error().what, flushed.error().what);
  EXPECT_EQ(output.close().error().what, flushed.error().what);
}

TEST(OutputFile, ABrokenPipeSaysHowMuchArrived) {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const FileDescriptor write_end(ends[1]);
  auto opened = OutputFile::open("/proc/self/fd/" + std::to_string(write_end.get()));
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(opened.value().write("one\ntwo\n").ok());
  ASSERT_TRUE(opened.value().flush().ok());
  ::close(ends[0]);
  ASSERT_TRUE(opened.value().write("three\n").ok());
  const Status flushed = opened.value().flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().what, "cannot write: Broken pipe after 8 bytes, 2 complete lines, which are kept");
}

// A parent may hand down a pipe that does not block.
TEST(OutputFile, WaitsForASlowReader) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  const FileDescriptor read_end(ends[0]);
  const std::string text(1 << 20, 'x');  // more than a pipe holds
  std::thread writer([&] {
    const FileDescriptor write_end(ends[1]);
    const int saved = ::dup(STDOUT_FILENO);
    ASSERT_GE(::dup2(write_end.get(), STDOUT_FILENO), 0);
    auto opened = OutputFile::open("-");
    EXPECT_TRUE(opened.ok() && opened.value().write(text).ok() && opened.value().close().ok());
    ASSERT_GE(::dup2(saved, STDOUT_FILENO), 0);
    ::close(saved);
  });
  std::size_t bytes = 0;
  char buffer[4096];
  while (read_end.wait_until(POLLIN)) {
    const ssize_t got = ::read(read_end.get(), buffer, sizeof(buffer));
    if (got <= 0) break;
    bytes += static_cast<std::size_t>(got);
  }
  writer.join();
  EXPECT_EQ(bytes, text.size());
}

TEST(OutputFile, SaysWhyAFileCannotBeMade) {
  const TempFolder folder;
  const auto no_folder = OutputFile::open((folder.path() / "none" / "out").string());
  ASSERT_FALSE(no_folder.ok());
  EXPECT_EQ(no_folder.error().code, Error::Code::kNotFound);
  const auto is_folder = OutputFile::open(folder.path().string());
  ASSERT_FALSE(is_folder.ok());
  EXPECT_EQ(is_folder.error().code, Error::Code::kIo);
  const AsNobody nobody;
  const auto forbidden = OutputFile::open((folder.path() / "out").string());
  ASSERT_FALSE(forbidden.ok());
  EXPECT_EQ(forbidden.error().what, "cannot open for writing: Permission denied");
}

}  // namespace
}  // namespace rerank::io
