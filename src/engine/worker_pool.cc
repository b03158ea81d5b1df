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
  if (count > 0) run({&item, count, count});
}

void WorkerPool::run_in_teams(std::size_t count,
                              const std::function<void(std::size_t, kernels::Workspace&, Team*)>& item) {
  const std::size_t members = count == 0 ? 0 : size() / count;
  if (members < 2)
    return run(count, [&](std::size_t i, kernels::Workspace& workspace) { item(i, workspace, nullptr); });
  std::deque<Team> teams;
  for (std::size_t i = 0; i < count; ++i) teams.emplace_back(members);
  const std::function<void(std::size_t, kernels::Workspace&)> lead_or_help = [&](std::size_t i,
                                                                                 kernels::Workspace& workspace) {
    Team& team = teams[i % count];
    if (i >= count) return team.help(i / count);
    item(i, workspace, &team);
    team.finish();
  };
  run({&lead_or_help, count, count * members});
}

void WorkerPool::run(Job job) {
  std::unique_lock lock(mutex_);
  open_.push_back(&job);
  has_work_.notify_all();
  has_finished_.wait(lock, [&job] { return job.done == job.total; });
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
    if (job.next < job.total) open_.push_back(&job);  // behind the other calls
    lock.unlock();
    (*job.item)(item_idx, workspace);
    lock.lock();
    ++job.done;
    if (item_idx < job.count && ++job.first_done == job.count) {
      if (job.next < job.total) std::erase(open_, &job);
      job.total = job.next;
    }
    if (job.done == job.total) has_finished_.notify_all();
  }
}

}  // namespace rerank
