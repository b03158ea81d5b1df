// A file as read-only memory: pages come in when they are touched, and can be given back one by one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "rerank/error.h"

namespace rerank::io {

// Move-only; moving does not move the bytes. Somebody who shortens the file while it is mapped kills the process that
// reads there (SIGBUS): checkpoints are replaced by renaming, never in place.
class MappedFile {
 public:
  // kNotFound, kIo (no permission, a folder, a device), or kCorrupt when the file is empty.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

  // Hint: [offset, offset + size) will be read soon, so the system may fetch it in the background. Does not wait.
  void will_need(std::size_t offset, std::size_t size) const;

  // Gives the pages that lie wholly in [offset, offset + size) back to the system. Reading them again is allowed, and
  // fetches them again.
  void drop(std::size_t offset, std::size_t size) const;

 private:
  MappedFile(std::string path, const std::byte* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace rerank::io
