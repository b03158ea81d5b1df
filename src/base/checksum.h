// A checksum at the speed of memory. It finds damage, and is no defence against somebody who makes it on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rerank {

// Of the bytes and their number. A change of up to 8 neighbouring bytes at a multiple of 8 is always found.
std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace rerank
