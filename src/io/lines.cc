#include "io/lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/try.h"
#include "io/system_error.h"

namespace rerank::io {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineReader::LineReader(ByteSource bytes, std::string name, const LineOptions& options)
    : bytes_(std::move(bytes)), name_(std::move(name)), options_(options) {}

Result<LineReader> LineReader::open(const std::string& path, const LineOptions& options) {
  const bool is_stdin = path == "-";
  // A copy of standard input, so that closing the reader leaves the process its own.
  FileDescriptor file(is_stdin ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                               : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string name = is_stdin ? "standard input" : path;
  if (!file.is_open()) return system_error(errno, "open", std::move(name));
  struct stat status;
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode))
    return system_error(EISDIR, "read", std::move(name));
  return LineReader(ByteSource::over_file(std::move(file), name), name, options);
}

LineReader LineReader::over(std::string_view text, std::string name, const LineOptions& options) {
  return LineReader(ByteSource::over_text(text, name), name, options);
}

std::string LineReader::where(std::size_t line_number) const {
  return fmt::format("{} line {}", name_, line_number);
}

// Reads once more behind end_; at_end_ when there is nothing left.
Status LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + options_.read_bytes)
    buffer_.resize(std::max(buffer_.size() * 2, end_ + options_.read_bytes));
  Result<std::size_t> bytes = bytes_.read(buffer_.data() + end_, options_.read_bytes);
  if (!bytes.ok()) {
    at_end_ = true;
    begin_ = end_ = 0;
    if (bytes.error().code == Error::Code::kCorrupt) bytes.error().where = where(number_ + 1);
    return bytes.error();
  }
  end_ += bytes.value();
  at_end_ = bytes.value() == 0;
  return {};
}

Error LineReader::too_long() {
  return {Error::Code::kBadInput, fmt::format("the line has more than {} bytes", options_.max_line_bytes),
          where(number_), "split it, or leave it out"};
}

// Waits for no more bytes than it takes to see that the file does not begin with a mark.
Status LineReader::drop_byte_order_mark() {
  begun_ = true;
  while (!at_end_ && buffered().size() < kByteOrderMark.size() && kByteOrderMark.starts_with(buffered()))
    RERANK_TRY(fill());
  if (buffered().starts_with(kByteOrderMark)) begin_ += kByteOrderMark.size();
  return {};
}

Result<std::optional<Line>> LineReader::next() {
  if (!begun_) RERANK_TRY(drop_byte_order_mark());
  std::size_t searched = 0;  // leading bytes of buffered() that hold no line end
  bool too_long_already = false;
  while (true) {
    const std::string_view rest = buffered();
    const std::size_t newline = rest.find('\n', searched);
    const bool has_end = newline != rest.npos;
    if (has_end || at_end_) {
      if (!has_end && rest.empty() && !too_long_already) return std::optional<Line>();
      ++number_;
      std::string_view text = rest.substr(0, newline);
      begin_ += has_end ? newline + 1 : rest.size();
      if (has_end && text.ends_with('\r')) text.remove_suffix(1);
      if (too_long_already || text.size() > options_.max_line_bytes) return too_long();
      return std::optional<Line>(Line{number_, text});
    }
    searched = rest.size();
    if (rest.size() > options_.max_line_bytes + 1) {  // one more for the "\r" of its end
      too_long_already = true;
      begin_ = end_;
      searched = 0;
    }
    RERANK_TRY(fill());
  }
}

}  // namespace rerank::io
