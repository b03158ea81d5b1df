// Structured logs: one JSON object a line, on stderr. Writing never keeps a request waiting.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace rerank::server {

// A line that is being put together, with the time first: LogLine("info", "request").add("status", 200).
class LogLine {
 public:
  LogLine(std::string_view level, std::string_view event);

  LogLine& add(std::string_view key, std::string_view value);
  LogLine& add(std::string_view key, const char* value) { return add(key, std::string_view(value)); }
  LogLine& add(std::string_view key, std::int64_t value);
  LogLine& add(std::string_view key, std::size_t value) { return add(key, static_cast<std::int64_t>(value)); }
  LogLine& add(std::string_view key, int value) { return add(key, static_cast<std::int64_t>(value)); }
  LogLine& add_milliseconds(std::string_view key, double seconds);

  std::string finish() &&;  // with a line end

 private:
  std::string text_;
};

class Log {
 public:
  // Into a file descriptor; -1: nowhere.
  explicit Log(int descriptor);
  ~Log();  // writes what waits
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // From any thread. A line is dropped, and counted, when nobody takes the lines that wait.
  void write(LogLine line);
  std::uint64_t dropped() const;

 private:
  void work();

  int descriptor_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> waiting_;
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rerank::server
