#include "io/packed_output.h"

#include <gtest/gtest.h>

#include "io/lines.h"
#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::read_file;
using rerank::testing::TempFolder;

std::string lines_of(const std::string& path) {
  LineReader lines = LineReader::open(path).value();
  std::string text;
  while (true) {
    const auto line = lines.next();
    if (!line.ok()) return text + "error: " + line.error().message();
    if (!line.value()) return text;
    text.append(line.value()->text).append("\n");
  }
}

TEST(PackedOutput, ReadsBackAsItWasWritten) {
  const TempFolder folder;
  std::string many;
  for (int i = 0; i < 100000; ++i) many += std::to_string(i * 7919 % 100003) + " some text\n";
  for (const char* name : {"a.txt", "a.gz", "a.zst"}) {
    const std::string path = folder.path() / name;
    for (const std::string& text : {std::string(), std::string("one\n"), many}) {
      PackedOutput output(OutputFile::open(path).value(), packing_of(path));
      for (std::size_t at = 0; at < text.size(); at += 1000) ASSERT_TRUE(output.write(text.substr(at, 1000)).ok());
      ASSERT_TRUE(output.close().ok());
      EXPECT_EQ(lines_of(path), text) << name;
    }
    const std::size_t bytes = read_file(path).size();
    if (packing_of(path) == Packing::kNone)
      EXPECT_EQ(bytes, many.size());
    else
      EXPECT_LT(bytes, many.size() / 2) << name;
  }
}

TEST(PackedOutput, OneThatIsNotClosedIsCutShort) {
  const TempFolder folder;
  for (const char* name : {"a.gz", "a.zst"}) {
    const std::string path = folder.path() / name;
    { ASSERT_TRUE(PackedOutput(OutputFile::open(path).value(), packing_of(path)).write("text\n").ok()); }
    // There may be nothing in the file at all, but never the text as if it were whole.
    EXPECT_EQ(lines_of(path).find("text\n"), std::string::npos) << name;
  }
}

TEST(PackedOutput, AFullDiskIsSaid) {
  PackedOutput output(OutputFile::open("/dev/full").value(), Packing::kZstd);
  Status status = output.write("text");
  if (status.ok()) status = output.close();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Error::Code::kIo);
}

}  // namespace
}  // namespace rerank::io
