#include "cli/file_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "io/test_files.h"

namespace rerank::cli {
namespace {

using rerank::testing::TempFolder;

// `printf abc | sha256sum`, as in FIPS 180-2.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(FileHash, OfAFileIsWhatSha256sumPrints) {
  const TempFolder folder;
  const Result<FileHash> hash = hash_data(folder.write("a.jsonl", "abc"));
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(hash.value(), (FileHash{3, kAbc, FileHash::kAll, 1}));
  EXPECT_EQ(hash_sample(folder.path() / "a.jsonl").value(), hash.value()) << "small: whole";
  const std::string text = "abc";
  EXPECT_EQ(hash_sample(std::as_bytes(std::span(text))), hash.value());
  EXPECT_EQ(hash_data(folder.path() / "none").error().code, Error::Code::kNotFound);
  EXPECT_EQ(hash_sample(folder.path() / "none").error().code, Error::Code::kNotFound);
}

TEST(FileHash, OfAFolderIsOfItsTextFiles) {
  const TempFolder folder;
  folder.write("notes/b.md", "abc");
  folder.write("notes/a/a.txt", "abc");
  folder.write("notes/c.png", "not text");
  const FileHash hash = hash_data(folder.path() / "notes").value();
  EXPECT_EQ(hash.files, 2U);
  EXPECT_EQ(hash.bytes, 6U);
  EXPECT_EQ(hash.of, FileHash::kFolder);
  const std::string lines = std::string(kAbc) + "  a/a.txt\n" + kAbc + "  b.md\n";
  EXPECT_EQ(hash.sha256, hash_sample(std::as_bytes(std::span(lines))).sha256);
  folder.write("notes/c.png", "changed");
  EXPECT_EQ(hash_data(folder.path() / "notes").value(), hash);
  std::filesystem::rename(folder.path() / "notes/b.md", folder.path() / "notes/d.md");
  EXPECT_NE(hash_data(folder.path() / "notes").value().sha256, hash.sha256) << "ids are paths";
}

// A sample reads the first block, the last one and blocks between, and the length.
TEST(FileHash, ASampleOfALargeFileSeesItsBlocksAndItsLength) {
  std::vector<std::byte> bytes(kHashedWhole + 1000);
  const FileHash whole = hash_sample(std::span(bytes).first(kHashedWhole));
  EXPECT_EQ(whole.of, FileHash::kAll);
  const FileHash sample = hash_sample(bytes);
  EXPECT_EQ(sample.of, FileHash::kSample);
  EXPECT_EQ(sample.bytes, bytes.size());
  std::set<std::string> seen = {whole.sha256, sample.sha256,
                                hash_sample(std::span(bytes).first(bytes.size() - 1)).sha256};
  EXPECT_EQ(seen.size(), 3U) << "a byte less is another file";
  const std::size_t places[] = {0, (64U << 10) - 1, bytes.size() - 1, bytes.size() - (64U << 10),
                                (bytes.size() - (64U << 10)) / 255 * 100};
  for (const std::size_t place : places) {
    bytes[place] = std::byte{1};
    EXPECT_TRUE(seen.insert(hash_sample(bytes).sha256).second) << place;
    bytes[place] = std::byte{0};
  }
  const TempFolder folder;
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(hash_sample(folder.write("model.safetensors", text)).value(), sample) << "file and memory agree";
}

}  // namespace
}  // namespace rerank::cli
