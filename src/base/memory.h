// How much memory this process may really use.
#pragma once

#include <cstdint>
#include <string_view>

namespace rerank {

// Bytes of the machine's memory, but no more than the control groups allow: a container with 4 GB on a machine of 256
// must not plan for 256.
std::uint64_t usable_memory();

// Bytes that a line of a control group's limit grants ("4294967296"), or 0 for no limit ("max") or no sense.
std::uint64_t memory_of_limit(std::string_view limit);

}  // namespace rerank
