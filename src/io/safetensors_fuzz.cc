// Any bytes give a header or an Error; whatever is accepted lies inside the file, tiles it, and has the bytes it says.
#include <cstdint>
#include <cstdlib>

#include "io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  // Once as a whole file, once as the beginning of a file whose data were left behind.
  for (const std::size_t file_size : {size, size + 4096}) {
    const auto header = rerank::io::parse_safetensors_header(bytes, file_size, "fuzz.safetensors");
    if (!header.ok()) {
      if (header.error().what.empty() || header.error().where.empty()) std::abort();
      continue;
    }
    std::size_t covered = header.value().empty() ? file_size : header.value().front().begin;
    for (const rerank::io::TensorEntry& entry : header.value()) {
      std::size_t elements = 1;
      for (const std::size_t length : entry.shape) elements *= length;
      if (entry.begin != covered || entry.begin > entry.end || entry.end > file_size) std::abort();
      if (entry.end - entry.begin != elements * rerank::io::bytes_of(entry.dtype)) std::abort();
      covered = entry.end;
    }
    if (covered != file_size) std::abort();
    const auto metadata = rerank::io::parse_safetensors_metadata(bytes, file_size, "fuzz.safetensors");
    if (!metadata.ok() && (metadata.error().what.empty() || metadata.error().where.empty())) std::abort();
  }
  return 0;
}
