// What a file holds, in a few bytes that a manifest can keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "rerank/error.h"

namespace rerank::cli {

struct FileHash {
  std::uint64_t bytes = 0;
  std::string sha256;  // 64 small hexadecimal digits
  std::string of;      // what was hashed: kAll, kSample or kFolder
  std::size_t files = 1;

  // The file as it is: what `sha256sum` prints.
  static constexpr const char* kAll = "all bytes";
  // The length as eight bytes, least significant first, then 256 blocks of 64 KiB at equal distances, the first at the
  // beginning, the last at the end: a checkpoint of gigabytes in milliseconds. Any training changes all of them.
  static constexpr const char* kSample = "sample";
  // What `sha256sum` prints for the text files, in the order of their paths below the folder.
  static constexpr const char* kFolder = "text files";

  bool operator==(const FileHash&) const = default;
};

// Files up to this size are hashed whole by hash_sample().
inline constexpr std::uint64_t kHashedWhole = std::uint64_t{64} << 20;

// Every byte of a file; of a folder its .txt and .md files, which are what a corpus may be. kNotFound or kIo.
Result<FileHash> hash_data(const std::filesystem::path& path);
// A file of a checkpoint. kNotFound or kIo.
Result<FileHash> hash_sample(const std::filesystem::path& path);
// The same of one that is in memory.
FileHash hash_sample(std::span<const std::byte> bytes);

}  // namespace rerank::cli
