#include "engine/worker_pool.h"

namespace rerank {

WorkerPool::WorkerPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::run(std::size_t count, const std::function<void(std::size_t, kernels::Workspace&)>& item) {
  if (count == 0) return;
  Job job{&item, count};
  std::unique_lock lock(mutex_);
  open_.push_back(&job);
  has_work_.notify_all();
  has_finished_.wait(lock, [&job] { return job.done == job.count; });
}

void WorkerPool::work() {
  kernels::Workspace workspace;
  std::unique_lock lock(mutex_);
  while (true) {
    has_work_.wait(lock, [this] { return stopping_ || !open_.empty(); });
    if (stopping_) return;
    Job& job = *open_.front();
    open_.pop_front();
    const std::size_t item_idx = job.next++;
    if (job.next < job.count) open_.push_back(&job);  // behind the other calls
    lock.unlock();
    (*job.item)(item_idx, workspace);
    lock.lock();
    if (++job.done == job.count) has_finished_.notify_all();
  }
}

}  // namespace rerank
