// Texts to be written, a few requests at a time: those go through the model together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "rerank/generate.h"

namespace rerank::server {

struct GenerateTask {
  std::vector<std::string> prompts;
  GenerateOptions options;  // without on_done and on_tokens
  // Called once, from one of the queue's threads; cancelled or not.
  std::function<void(Result<std::vector<Result<GeneratedText>>> texts, double queue_seconds)> done;
  std::function<void(std::size_t prompt_idx, const Result<GeneratedText>& text)> on_done = {};
};

class GenerateQueue {
 public:
  using Generate = std::function<Result<std::vector<Result<GeneratedText>>>(std::span<const std::string_view> prompts,
                                                                            const GenerateOptions& options)>;
  GenerateQueue(Generate generate, int calls);
  ~GenerateQueue();  // stops the calls in flight; tasks that have not begun are errors

  // The flag ends the task soon once it is set.
  using Cancelled = std::shared_ptr<std::atomic<bool>>;
  Cancelled submit(GenerateTask task);
  std::size_t waiting() const;

 private:
  struct Entry;
  void work();
  void run(Entry& entry);

  Generate generate_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Entry>> waiting_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace rerank::server
