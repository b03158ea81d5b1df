// The lock on one file of the cache: huggingface_hub's, so that of all programs only one fetches it.
#pragma once

#include <filesystem>
#include <functional>

#include "io/file_descriptor.h"
#include "rerank/error.h"

namespace rerank::hub {

// Held until it is destroyed; the system takes it away from a process that dies. The lock's file stays.
class FileLock {
 public:
  // Waits for whoever holds it: `on_wait` hears of that once, before the waiting begins. Where the file system knows no
  // locks, none is held: then a file may be fetched twice, but it still appears whole. kIo.
  static Result<FileLock> acquire(const std::filesystem::path& path, const std::function<void()>& on_wait);

 private:
  explicit FileLock(io::FileDescriptor file) : file_(std::move(file)) {}
  io::FileDescriptor file_;
};

}  // namespace rerank::hub
