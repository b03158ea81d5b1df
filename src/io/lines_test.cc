#include "io/lines.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::TempFolder;

// Every line, "!" for one that was refused.
std::vector<std::string> read_all(LineReader reader) {
  std::vector<std::string> lines;
  std::size_t number = 0;
  while (true) {
    const auto line = reader.next();
    ++number;
    if (!line.ok()) {
      EXPECT_EQ(line.error().code, Error::Code::kBadInput);
      EXPECT_EQ(line.error().where, reader.where(number));
      lines.push_back("!");
      continue;
    }
    if (!line.value()) return lines;
    EXPECT_EQ(line.value()->number, number);
    lines.emplace_back(line.value()->text);
  }
}

struct LinesCase {
  const char* why;
  std::string text;
  std::vector<std::string> lines;
};
void PrintTo(const LinesCase& row, std::ostream* out) {
  *out << row.why;
}
class Lines : public ::testing::TestWithParam<LinesCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Lines,
    ::testing::Values(LinesCase{"an empty file", "", {}}, LinesCase{"one line", "a\n", {"a"}},
                      LinesCase{"no end", "a\nb", {"a", "b"}},
                      LinesCase{"blank lines count", "\n\na\n\n", {"", "", "a", ""}},
                      LinesCase{"CRLF", "a\r\nb\r\n", {"a", "b"}}, LinesCase{"a bare CR stays", "a\rb\r", {"a\rb\r"}},
                      LinesCase{"only one CR goes", "a\r\r\n", {"a\r"}},
                      LinesCase{"a byte order mark",
                                "\xEF\xBB\xBF"
                                "a\nb",
                                {"a", "b"}},
                      LinesCase{"a byte order mark alone", "\xEF\xBB\xBF", {}},
                      LinesCase{"half a byte order mark", "\xEF\xBB", {"\xEF\xBB"}},
                      LinesCase{"a mark on the second line stays",
                                "a\n\xEF\xBB\xBF"
                                "b",
                                {"a",
                                 "\xEF\xBB\xBF"
                                 "b"}},
                      LinesCase{"two marks", "\xEF\xBB\xBF\xEF\xBB\xBFx", {"\xEF\xBB\xBFx"}},
                      LinesCase{"NUL", std::string("a\0b\n\0", 5), {std::string("a\0b", 3), std::string("\0", 1)}},
                      LinesCase{"as long as may be", "12345678\r\n12345678", {"12345678", "12345678"}},
                      LinesCase{"one byte too long", "123456789\nb\n", {"!", "b"}},
                      LinesCase{"far too long", "a\n" + std::string(1000, 'x') + "\nb\n", {"a", "!", "b"}},
                      LinesCase{"too long at the end", "a\n" + std::string(50, 'x'), {"a", "!"}}));
TEST_P(Lines, AreTheSameHoweverTheBytesArrive) {
  const auto& [why, text, lines] = GetParam();
  const TempFolder folder;
  const std::string path = folder.write("file", text).string();
  for (const std::size_t read_bytes : {1U, 2U, 3U, 7U, 4096U}) {
    const LineOptions options{.max_line_bytes = 8, .read_bytes = read_bytes};
    EXPECT_EQ(read_all(LineReader::over(text, "memory", options)), lines) << read_bytes;
    auto file = LineReader::open(path, options);
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(read_all(std::move(file).value()), lines) << read_bytes;
  }
}

TEST(LineReader, SaysWhichLineIsTooLong) {
  LineReader reader = LineReader::over("a\n123456\n", "x.jsonl", {.max_line_bytes = 3});
  ASSERT_TRUE(reader.next().ok());
  const auto refused = reader.next();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message(), "x.jsonl line 2: the line has more than 3 bytes (split it, or leave it out)");
}

TEST(LineReader, SaysWhyAFileCannotBeRead) {
  const TempFolder folder;
  const auto missing = LineReader::open((folder.path() / "none").string());
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Error::Code::kNotFound);
  const auto is_folder = LineReader::open(folder.path().string());
  ASSERT_FALSE(is_folder.ok());
  EXPECT_EQ(is_folder.error().code, Error::Code::kIo);
  EXPECT_EQ(is_folder.error().what, "cannot read: Is a directory");
}

TEST(LineReader, AReadThatFailsIsReportedOnce) {
  // Address 0 of one's own memory is never mapped, so reading there is an input/output error.
  auto opened = LineReader::open("/proc/self/mem");
  ASSERT_TRUE(opened.ok());
  const auto line = opened.value().next();
  ASSERT_FALSE(line.ok());
  EXPECT_EQ(line.error().code, Error::Code::kIo);
  EXPECT_EQ(line.error().where, "/proc/self/mem");
  const auto after = opened.value().next();
  ASSERT_TRUE(after.ok());
  EXPECT_FALSE(after.value().has_value());
}

// A reader at the end of a pipe must hand out a line as soon as its end has come, however short the line is.
TEST(LineReader, DoesNotWaitForMoreThanALine) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const FileDescriptor read_end(ends[0]), write_end(ends[1]);
  auto opened = LineReader::open("/proc/self/fd/" + std::to_string(read_end.get()));
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(::write(write_end.get(), "1\n", 2), 2);
  const auto line = opened.value().next();
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line.value()->text, "1");
}

}  // namespace
}  // namespace rerank::io
