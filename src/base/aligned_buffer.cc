#include "base/aligned_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <limits>

namespace rerank {

void AlignedBuffer::Unmap::operator()(std::byte* p) const {
  munmap(p, bytes);
}

Result<AlignedBuffer> AlignedBuffer::allocate(std::size_t bytes, const char* purpose) {
  AlignedBuffer buffer;
  if (bytes == 0) return buffer;
  const Error out_of_memory{Error::Code::kOutOfMemory, fmt::format("cannot get {} MiB of memory", bytes >> 20), purpose,
                            "use fewer threads, a smaller model or a machine with more memory"};
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  if (bytes > std::numeric_limits<std::size_t>::max() - kHugePage) return out_of_memory;
  // Pages come zeroed and only when touched, so a buffer sized for the worst case costs what is used of it.
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return out_of_memory;
  if (bytes >= kHugePage) madvise(mapped, bytes, MADV_HUGEPAGE);  // advice: a refusal costs only speed
  buffer.data_ = {static_cast<std::byte*>(mapped), Unmap{bytes}};
  return buffer;
}

}  // namespace rerank
