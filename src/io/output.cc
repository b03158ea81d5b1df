#include "io/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/try.h"
#include "io/system_error.h"

namespace rerank::io {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;

}  // namespace

Result<OutputFile> OutputFile::open(const std::string& path) {
  const bool is_stdout = path == "-";
  // A copy of standard output, so that closing this leaves the process its own.
  FileDescriptor file(is_stdout ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  std::string name = is_stdout ? "standard output" : path;
  if (!file.is_open()) return system_error(errno, "open for writing", std::move(name));
  return OutputFile(std::move(file), std::move(name));
}

Result<OutputFile> OutputFile::append(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file.is_open()) return system_error(errno, "open for writing", path);
  return OutputFile(std::move(file), path);
}

OutputFile::~OutputFile() {
  const Status lost = flush();
  static_cast<void>(lost);
}

Error OutputFile::failed(int number) {
  Error error = system_error(number, "write", name_);
  error.what += fmt::format(" after {} bytes, {} complete lines, which are kept", bytes_written_, lines_written_);
  error_ = error;
  return error;
}

Status OutputFile::write(std::string_view text) {
  if (error_) return *error_;
  buffer_ += text;
  return buffer_.size() < kBufferBytes ? Status() : flush();
}

Status OutputFile::flush() {
  if (error_) return *error_;
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t taken = ::write(file_.get(), rest.data(), rest.size());
    if (taken < 0 && (errno == EINTR || (errno == EAGAIN && file_.wait_until(POLLOUT)))) continue;
    if (taken < 0) return failed(errno);
    const std::string_view written = rest.substr(0, static_cast<std::size_t>(taken));
    bytes_written_ += written.size();
    lines_written_ += static_cast<std::size_t>(std::count(written.begin(), written.end(), '\n'));
    rest.remove_prefix(written.size());
  }
  buffer_.clear();
  return {};
}

Status OutputFile::close() {
  RERANK_TRY(flush());
  // Some file systems report a full disk only here.
  if (const int fd = file_.release(); fd >= 0 && ::close(fd) != 0 && errno != EINTR) return failed(errno);
  return {};
}

}  // namespace rerank::io
