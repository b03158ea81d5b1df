#include "cli/file_hash.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/try.h"
#include "hub/checksum.h"
#include "io/file_descriptor.h"
#include "io/system_error.h"

namespace rerank::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlocks = 256, kBlockBytes = std::size_t{64} << 10;

class Sha256 {
 public:
  void take(std::span<const std::byte> bytes) { sum_.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); }
  void take_length(std::uint64_t length) {
    std::array<std::byte, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(length >> (8 * i));
    take(bytes);
  }
  std::string digits() { return sum_.digest(); }

 private:
  hub::Checksum sum_{hub::Expected::Kind::kSha256, 0};  // the size counts for git's sums alone
};

// Where the blocks of a sample begin.
std::uint64_t block_begin(std::size_t block, std::uint64_t bytes) {
  return (bytes - kBlockBytes) / (kBlocks - 1) * block +
         (block + 1 == kBlocks ? (bytes - kBlockBytes) % (kBlocks - 1) : 0);
}

// A file that is read at any place.
class Source {
 public:
  static Result<Source> open(const fs::path& path) {
    io::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts {};
    if (!file.is_open() || ::fstat(file.get(), &facts) != 0) return io::system_error(errno, "open", path.string());
    return Source(std::move(file), path.string(), static_cast<std::uint64_t>(facts.st_size));
  }

  std::uint64_t bytes() const { return bytes_; }

  // Up to a block from there on; empty behind the end.
  Result<std::span<const std::byte>> read(std::uint64_t offset) {
    while (true) {
      const ssize_t taken = ::pread(file_.get(), buffer_.data(), buffer_.size(), static_cast<off_t>(offset));
      if (taken >= 0) return std::span<const std::byte>(buffer_.data(), static_cast<std::size_t>(taken));
      if (errno != EINTR) return io::system_error(errno, "read", name_);
    }
  }

 private:
  Source(io::FileDescriptor file, std::string name, std::uint64_t bytes)
      : file_(std::move(file)), name_(std::move(name)), bytes_(bytes), buffer_(kBlockBytes) {}

  io::FileDescriptor file_;
  std::string name_;
  std::uint64_t bytes_;
  std::vector<std::byte> buffer_;
};

Result<FileHash> hash_all(const fs::path& path) {
  RERANK_ASSIGN(Source source, Source::open(path));
  Sha256 sha;
  FileHash hash{0, "", FileHash::kAll, 1};
  while (true) {
    RERANK_ASSIGN(const std::span<const std::byte> block, source.read(hash.bytes));
    if (block.empty()) break;
    sha.take(block);
    hash.bytes += block.size();
  }
  hash.sha256 = sha.digits();
  return hash;
}

Result<FileHash> hash_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string extension = entry->path().extension().string();
    std::error_code ignored;
    if ((extension == ".txt" || extension == ".md") && entry->is_regular_file(ignored)) files.push_back(entry->path());
  }
  if (failed) return io::system_error(failed.value(), "read", folder.string());
  std::sort(files.begin(), files.end());
  Sha256 sha;
  FileHash all{0, "", FileHash::kFolder, files.size()};
  for (const fs::path& file : files) {
    RERANK_ASSIGN(const FileHash one, hash_all(file));
    const std::string line = fmt::format("{}  {}\n", one.sha256, file.lexically_relative(folder).generic_string());
    sha.take(std::as_bytes(std::span(line)));
    all.bytes += one.bytes;
  }
  all.sha256 = sha.digits();
  return all;
}

}  // namespace

Result<FileHash> hash_data(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? hash_folder(path) : hash_all(path);
}

Result<FileHash> hash_sample(const fs::path& path) {
  RERANK_ASSIGN(Source source, Source::open(path));
  if (source.bytes() <= kHashedWhole) return hash_all(path);
  Sha256 sha;
  sha.take_length(source.bytes());
  for (std::size_t block = 0; block < kBlocks; ++block) {
    RERANK_ASSIGN(const std::span<const std::byte> bytes, source.read(block_begin(block, source.bytes())));
    sha.take(bytes);
  }
  return FileHash{source.bytes(), sha.digits(), FileHash::kSample, 1};
}

FileHash hash_sample(std::span<const std::byte> bytes) {
  Sha256 sha;
  const bool whole = bytes.size() <= kHashedWhole;
  if (whole) {
    sha.take(bytes);
  } else {
    sha.take_length(bytes.size());
    for (std::size_t block = 0; block < kBlocks; ++block)
      sha.take(bytes.subspan(block_begin(block, bytes.size()), kBlockBytes));
  }
  return FileHash{bytes.size(), sha.digits(), whole ? FileHash::kAll : FileHash::kSample, 1};
}

}  // namespace rerank::cli
