#include "engine/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace rerank {
namespace {

// Eight threads that make twenty calls each.
void call_from_many_threads(const std::function<void()>& call) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) call();
    });
  for (auto& caller : callers) caller.join();
}

TEST(WorkerPool, RunsEveryItemOnce) {
  WorkerPool pool(3);
  std::vector<std::atomic<int>> seen(1000);
  pool.run(seen.size(), [&](std::size_t i, kernels::Workspace&) { ++seen[i]; });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
}

TEST(WorkerPool, NothingToDoReturnsAtOnce) {
  WorkerPool pool(1);
  pool.run(0, [](std::size_t, kernels::Workspace&) { FAIL(); });
}

TEST(WorkerPool, ManyCallersShareTheThreads) {
  WorkerPool pool(2);
  std::atomic<int> total{0};
  call_from_many_threads([&] { pool.run(10, [&](std::size_t, kernels::Workspace&) { ++total; }); });
  EXPECT_EQ(total, 8 * 20 * 10);
}

// A call of one item, made while a long call is in flight, waits for one queued item of it and not for its end.
TEST(WorkerPool, AShortCallDoesNotWaitForALongOne) {
  WorkerPool pool(1);
  std::atomic<bool> long_started{false}, short_done{false};
  std::thread long_call([&] {
    pool.run(20, [&](std::size_t i, kernels::Workspace&) {
      long_started = true;
      if (i == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (i >= 2) {
        EXPECT_TRUE(short_done) << "item " << i << " of the long call ran before the short call";
      }
    });
  });
  while (!long_started) std::this_thread::yield();
  pool.run(1, [&](std::size_t, kernels::Workspace&) { short_done = true; });
  long_call.join();
}

TEST(WorkerPool, FewItemsAreDoneByTeams) {
  WorkerPool pool(4);
  for (const std::size_t count : {1u, 2u, 3u, 9u}) {
    std::vector<std::atomic<int>> parts(count * 100);
    pool.run_in_teams(count, [&](std::size_t i, kernels::Workspace&, Team* team) {
      EXPECT_EQ(team == nullptr ? 1 : team->members(), count > 2 ? 1 : 4 / count);
      const auto part = [&](std::size_t k, std::size_t) { ++parts[i * 100 + k]; };
      if (team != nullptr) return team->run(100, part);
      for (std::size_t k = 0; k < 100; ++k) part(k, 0);
    });
    for (const auto& seen : parts) EXPECT_EQ(seen, 1);
  }
}

TEST(WorkerPool, ManyTeamsShareTheThreads) {
  WorkerPool pool(2);
  std::atomic<int> total{0};
  call_from_many_threads([&] {
    pool.run_in_teams(1, [&](std::size_t, kernels::Workspace&, Team* team) {
      team->run(10, [&](std::size_t, std::size_t) { ++total; });
    });
  });
  EXPECT_EQ(total, 8 * 20 * 10);
}

// The only thread that could help is held up until the call is over.
TEST(WorkerPool, ACallDoesNotWaitForItsHelpers) {
  WorkerPool pool(2);
  std::atomic<bool> is_held{false}, let_go{false};
  std::thread other([&] {
    pool.run(1, [&](std::size_t, kernels::Workspace&) {
      is_held = true;
      while (!let_go) std::this_thread::yield();
    });
  });
  while (!is_held) std::this_thread::yield();
  int parts = 0;
  pool.run_in_teams(1, [&](std::size_t, kernels::Workspace&, Team* team) {
    team->run(10, [&](std::size_t, std::size_t) { ++parts; });
  });
  let_go = true;
  other.join();
  EXPECT_EQ(parts, 10);
}

}  // namespace
}  // namespace rerank
