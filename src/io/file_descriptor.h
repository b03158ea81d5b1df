// A file descriptor that closes itself.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <utility>

namespace rerank::io {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  // Blocks until reading (POLLIN) or writing (POLLOUT) can go on: another program may have made a shared standard input
  // or output non-blocking. False when waiting itself fails.
  bool wait_until(short event) const {
    pollfd wanted{fd_, event, 0};
    return ::poll(&wanted, 1, -1) >= 0;
  }
  // Hands the descriptor over to the caller.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

}  // namespace rerank::io
