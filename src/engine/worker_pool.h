// The threads that do the work of an engine: each has a workspace of its own, and they take turns between the calls in
// flight.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/team.h"
#include "kernels/workspace.h"

namespace rerank {

class WorkerPool {
 public:
  explicit WorkerPool(int threads);
  ~WorkerPool();  // waits for the running items; no call may be in flight
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  std::size_t size() const { return threads_.size(); }

  // Calls item(0, ...) .. item(count - 1, ...), each once, on the pool's threads; returns when all are done. Calls from
  // several threads share the workers item by item, so that a long one does not hold up a short one. `item` must not
  // throw.
  void run(std::size_t count, const std::function<void(std::size_t item_idx, kernels::Workspace&)>& item);

  // The same, but where there are at least twice as many threads as items, several do an item together: `item` gets
  // the team that it leads, else nullptr. A helper comes when its thread is free, and a call does not wait for helpers
  // that have not come yet.
  void run_in_teams(std::size_t count,
                    const std::function<void(std::size_t item_idx, kernels::Workspace&, Team* team)>& item);

 private:
  struct Job {
    const std::function<void(std::size_t, kernels::Workspace&)>* item;
    std::size_t count;  // items that must be done: the first ones
    std::size_t total;  // with those that are only done while others of the first are not
    std::size_t next = 0, done = 0, first_done = 0;
  };
  void run(Job job);
  void work();

  std::mutex mutex_;
  std::condition_variable has_work_, has_finished_;
  std::deque<Job*> open_;  // jobs with items that nobody has taken yet
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rerank
