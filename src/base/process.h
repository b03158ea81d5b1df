// What this process has used so far, for progress lines and `bench`.
#pragma once

#include <cstddef>

namespace rerank {

std::size_t peak_rss_bytes();  // largest resident size so far
double process_cpu_seconds();  // user and system time of all threads
double wall_seconds();         // steady clock, from an arbitrary start

}  // namespace rerank
