#include "io/safetensors_writer.h"

#include <gtest/gtest.h>

#include <map>

#include "io/test_files.h"

namespace rerank::io {
namespace {

using rerank::testing::read_file;
using rerank::testing::TempFolder;

std::span<const std::byte> bytes_of_text(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(SafetensorsWriter, WhatItWritesIsReadBack) {
  const TempFolder folder;
  const auto path = folder.path() / "model.safetensors";
  auto made = SafetensorsWriter::create(
      path, {{"b.half", Dtype::kF16, {3}}, {"a \"name\"\n", Dtype::kI32, {1, 2}}, {"none", Dtype::kF32, {0, 4}}});
  ASSERT_TRUE(made.ok()) << made.error().message();
  SafetensorsWriter& writer = made.value();
  // In any order, in pieces.
  ASSERT_TRUE(writer.write(1, 4, bytes_of_text("5678")).ok());
  ASSERT_TRUE(writer.write(0, 0, bytes_of_text("abcdef")).ok());
  ASSERT_TRUE(writer.write(1, 0, bytes_of_text("1234")).ok());
  ASSERT_TRUE(writer.close().ok());

  const std::string file = read_file(path);
  EXPECT_EQ(file.size(), writer.file_bytes());
  const auto header = parse_safetensors_header(bytes_of_text(file), file.size(), "file");
  ASSERT_TRUE(header.ok()) << header.error().message();
  std::map<std::string, std::string> data;
  for (const TensorEntry& entry : header.value()) {
    EXPECT_EQ(entry.begin % rerank::io::bytes_of(entry.dtype), 0u) << entry.name;
    data[entry.name] = file.substr(entry.begin, entry.end - entry.begin);
  }
  EXPECT_EQ(data,
            (std::map<std::string, std::string>{{"b.half", "abcdef"}, {"a \"name\"\n", "12345678"}, {"none", ""}}));
  EXPECT_NE(file.find(R"("format":"pt")"), std::string::npos);
}

TEST(SafetensorsWriter, NeedsANewFileThatItMayMake) {
  const TempFolder folder;
  const auto there = folder.write("there", "x");
  EXPECT_EQ(SafetensorsWriter::create(there, {}).error().code, Error::Code::kIo);
  EXPECT_EQ(read_file(there), "x");
  EXPECT_EQ(SafetensorsWriter::create(folder.path() / "no/such", {}).error().code, Error::Code::kNotFound);
  EXPECT_FALSE(SafetensorsWriter::create("/proc/model.safetensors", {}).ok());
}

TEST(SafetensorsWriter, ADiskThatIsTooSmallIsFoundOutFirst) {
  const TempFolder folder;
  const auto refused = SafetensorsWriter::create(folder.path() / "large", {{"t", Dtype::kF32, {std::size_t{1} << 55}}});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Error::Code::kIo);
  EXPECT_NE(refused.error().what.find("reserve"), std::string::npos) << refused.error().message();
}

}  // namespace
}  // namespace rerank::io
