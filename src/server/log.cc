#include "server/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "io/json_text.h"

namespace rerank::server {
namespace {

constexpr std::size_t kMostWaiting = 4096;
constexpr int kPatienceMs = 1000;  // at the end, with a reader that does not read

}  // namespace

LogLine::LogLine(std::string_view level, std::string_view event) {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  text_ = fmt::format("{{\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\"", fmt::gmtime(now), ms);
  add("level", level);
  add("event", event);
}

LogLine& LogLine::add(std::string_view key, std::string_view value) {
  text_ += ',';
  text_ += io::json_string(key);
  text_ += ':';
  text_ += io::json_string(value);
  return *this;
}

LogLine& LogLine::add(std::string_view key, std::int64_t value) {
  text_ += ',';
  text_ += io::json_string(key);
  fmt::format_to(std::back_inserter(text_), ":{}", value);
  return *this;
}

LogLine& LogLine::add_milliseconds(std::string_view key, double seconds) {
  text_ += ',';
  text_ += io::json_string(key);
  fmt::format_to(std::back_inserter(text_), ":{:.3f}", seconds * 1000);
  return *this;
}

std::string LogLine::finish() && {
  text_ += "}\n";
  return std::move(text_);
}

Log::Log(int descriptor) : descriptor_(descriptor) {
  if (descriptor_ >= 0) thread_ = std::thread([this] { work(); });
}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Log::write(LogLine line) {
  if (descriptor_ < 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) {
      ++dropped_;
      return;
    }
    waiting_.push_back(std::move(line).finish());
  }
  wake_.notify_one();
}

std::uint64_t Log::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void Log::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::string text;
    for (const std::string& line : waiting_) text += line;
    waiting_.clear();
    lock.unlock();
    std::string_view rest = text;
    while (!rest.empty()) {
      pollfd ready{descriptor_, POLLOUT, 0};
      const int polled = poll(&ready, 1, kPatienceMs);
      if (polled == 0) {
        const std::lock_guard stopping(mutex_);
        if (stopping_) return;
        continue;
      }
      const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno != EINTR && errno != EAGAIN) break;  // nobody will ever read it
      if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
    lock.lock();
  }
}

}  // namespace rerank::server
