#include "server/generate_queue.h"

#include <chrono>
#include <string_view>
#include <utility>

namespace rerank::server {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct GenerateQueue::Entry {
  GenerateTask task;
  Cancelled cancelled = std::make_shared<std::atomic<bool>>(false);
  Clock::time_point submitted = Clock::now();
};

GenerateQueue::GenerateQueue(Generate generate, int calls) : generate_(std::move(generate)) {
  for (int i = 0; i < calls; ++i) threads_.emplace_back([this] { work(); });
}

GenerateQueue::~GenerateQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

GenerateQueue::Cancelled GenerateQueue::submit(GenerateTask task) {
  auto entry = std::make_unique<Entry>();
  entry->task = std::move(task);
  Cancelled cancelled = entry->cancelled;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(entry));
  }
  wake_.notify_one();
  return cancelled;
}

std::size_t GenerateQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void GenerateQueue::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::unique_ptr<Entry> entry = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    run(*entry);
    lock.lock();
  }
}

void GenerateQueue::run(Entry& entry) {
  const double queued = std::chrono::duration<double>(Clock::now() - entry.submitted).count();
  const auto goes_on = [this, &entry] { return !stopping_ && !*entry.cancelled; };
  if (!goes_on())
    return entry.task.done(Error{Error::Code::kBadInput, "not written: the request was given up", "", ""}, queued);
  GenerateOptions options = entry.task.options;
  options.on_tokens = [&](std::uint64_t) { return goes_on(); };
  options.on_done = [&](std::size_t prompt_idx, const Result<GeneratedText>& text) {
    if (entry.task.on_done) entry.task.on_done(prompt_idx, text);
    return goes_on();
  };
  const std::vector<std::string_view> prompts(entry.task.prompts.begin(), entry.task.prompts.end());
  entry.task.done(generate_(prompts, options), queued);
}

}  // namespace rerank::server
