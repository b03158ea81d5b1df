// Bytes that clients make the server hold, and a limit on all of them together.
#pragma once

#include <atomic>
#include <cstddef>

namespace rerank::server {

// Safe to use from all threads.
class HeldMemory {
 public:
  explicit HeldMemory(std::size_t limit) : limit_(limit) {}

  // False, and nothing taken, if it would be more than the limit.
  bool take(std::size_t bytes) {
    std::size_t held = held_.load(std::memory_order_relaxed);
    do {
      if (held > limit_ || bytes > limit_ - held) return false;
    } while (!held_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
    return true;
  }
  void give(std::size_t bytes) { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::size_t bytes() const { return held_.load(std::memory_order_relaxed); }

 private:
  const std::size_t limit_;
  std::atomic<std::size_t> held_{0};
};

// A scored pair's place in the queue and in the answer, about.
constexpr std::size_t kBytesPerPair = 256;

}  // namespace rerank::server
