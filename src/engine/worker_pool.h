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

 private:
  struct Job {
    const std::function<void(std::size_t, kernels::Workspace&)>* item;
    std::size_t count, next = 0, done = 0;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable has_work_, has_finished_;
  std::deque<Job*> open_;  // jobs with items that nobody has taken yet
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rerank
