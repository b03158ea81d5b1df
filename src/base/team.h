// Threads that do the parts of one job after another together, for work whose steps are too short to be queued.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <thread>

namespace rerank {

// One member leads: it calls run() as often as it likes, then finish(). The others call help(), which returns after
// finish(). Nobody waits for helpers to come: the leader does alone what nobody else takes, so a helper may be late, or
// never come at all.
class Team {
 public:
  // Members are the leader, number 0, and the helpers 1 .. members - 1.
  explicit Team(std::size_t members) : members_(members) {}
  std::size_t members() const { return members_; }

  // Calls part(0, member) .. part(count - 1, member), each once, on whichever members are free; a member takes rising
  // parts. Returns when all are done. For the leader.
  template <class Part>
  void run(std::size_t count, const Part& part) {
    if (members_ == 1 || count < 2) {
      for (std::size_t i = 0; i < count; ++i) part(i, std::size_t{0});
      return;
    }
    job_ = {&part,
            [](const void* body, std::size_t i, std::size_t member) { (*static_cast<const Part*>(body))(i, member); },
            count};
    done_.store(0, std::memory_order_relaxed);
    const std::uint64_t generation = (open_.load(std::memory_order_relaxed) >> 32) + 1;
    open_.store(generation << 32 | count, std::memory_order_release);
    open_.notify_all();
    take_parts(0);
    wait_while(done_, [count](std::uint64_t done) { return done != count; });
  }

  void finish() {
    open_.store(kFinished, std::memory_order_release);
    open_.notify_all();
  }

  void help(std::size_t member) {
    while (true) {
      const std::uint64_t now = wait_while(open_, [](std::uint64_t open) { return parts_left(open) == 0; });
      if (now == kFinished) return;
      take_parts(member);
    }
  }

 private:
  struct Job {
    const void* body = nullptr;
    void (*call)(const void* body, std::size_t part, std::size_t member) = nullptr;
    std::size_t count = 0;
  };
  static constexpr std::uint64_t kFinished = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t parts_left(std::uint64_t open) { return open & 0xFFFFFFFF; }

  // A part is taken by counting `open_` down. It carries the job's number as well, so that nobody who was held up takes
  // a part of a later job; and who has taken one may read job_, which stays until that part is done.
  void take_parts(std::size_t member) {
    std::uint64_t open = open_.load(std::memory_order_acquire);
    while (open != kFinished && parts_left(open) > 0) {
      if (!open_.compare_exchange_weak(open, open - 1, std::memory_order_acquire)) continue;
      const Job job = job_;
      job.call(job.body, job.count - parts_left(open), member);
      if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == job.count) done_.notify_all();
      open = open_.load(std::memory_order_acquire);
    }
  }

  // Looks for a while before it sleeps: the pauses between two jobs of a step are shorter than falling asleep.
  template <class Condition>
  static std::uint64_t wait_while(const std::atomic<std::uint64_t>& value, const Condition& holds) {
    constexpr int kLooks = 2000;
    while (true) {
      for (int i = 0; i < kLooks; ++i) {
        const std::uint64_t now = value.load(std::memory_order_acquire);
        if (!holds(now)) return now;
        pause();
      }
      const std::uint64_t now = value.load(std::memory_order_acquire);
      if (!holds(now)) return now;
      value.wait(now, std::memory_order_acquire);
    }
  }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
  }

  std::size_t members_;
  Job job_;
  alignas(64) std::atomic<std::uint64_t> open_{0};  // number of the job << 32 | parts that nobody has taken yet
  alignas(64) std::atomic<std::uint64_t> done_{0};
};

}  // namespace rerank
