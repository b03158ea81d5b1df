// Any bytes give bytes or an Error, the same whatever sizes are asked for.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "io/byte_source.h"

namespace {

constexpr std::size_t kMost = std::size_t{1} << 20;  // a few packed bytes may unpack to gigabytes

std::string unpack(std::string_view bytes, std::size_t piece) {
  auto source = rerank::io::ByteSource::over_text(bytes, "fuzz.gz");
  std::string text, buffer(piece, '\0');
  while (text.size() < kMost) {
    const auto read = source.read(buffer.data(), buffer.size());
    if (!read.ok()) {
      if (read.error().what.empty() || read.error().where != "fuzz.gz") std::abort();
      break;
    }
    if (read.value() == 0) break;
    text.append(buffer.data(), read.value());
  }
  text.resize(std::min(text.size(), kMost));
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string whole = unpack(bytes, std::size_t{1} << 16), pieces = unpack(bytes, 313);
  // Where packed data are damaged, how much comes before the error depends on the pieces; what comes is the same.
  const std::size_t common = std::min(whole.size(), pieces.size());
  if (whole.compare(0, common, pieces, 0, common) != 0) std::abort();
  return 0;
}
