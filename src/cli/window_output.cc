#include "cli/window_output.h"

namespace rerank::cli {

void WindowOutput::begin(std::size_t records) {
  lines_.assign(records, std::nullopt);
  next_ = 0;
  status_ = {};
}

void WindowOutput::put(std::size_t record_idx, Result<std::string> line) {
  lines_[record_idx] = std::move(line);
  if (record_idx != next_) return;
  for (; next_ < lines_.size() && lines_[next_]; ++next_) write(*lines_[next_]);
}

void WindowOutput::flush() {
  if (status_.ok()) status_ = output_.flush();
}

Status WindowOutput::end() {
  for (; next_ < lines_.size(); ++next_)
    if (lines_[next_]) write(*lines_[next_]);
  flush();
  return status_;
}

void WindowOutput::write(Result<std::string>& line) {
  if (!status_.ok()) return;
  if (!line.ok()) {
    status_ = bad_.meet(std::move(line.error()));
    return;
  }
  status_ = output_.write(line.value());
  line.value().clear();
  if (status_.ok()) ++lines_written_;
}

}  // namespace rerank::cli
