// A loop spread over threads, for work that is done once, such as packing weights. Scoring has its own workers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace rerank {

// Calls body(0) .. body(count - 1), each once, in any order, from up to `threads` threads; returns when all are done.
template <class Body>
void parallel_for(std::size_t count, int threads, const Body& body) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<std::jthread> helpers;
  const std::size_t wanted = std::min(count, static_cast<std::size_t>(std::max(threads, 1)));
  for (std::size_t t = 1; t < wanted; ++t) helpers.emplace_back(work);
  work();
}

}  // namespace rerank
