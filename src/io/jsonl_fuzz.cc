// Any bytes give objects or errors, line by line. How the bytes arrive changes nothing; line numbers rise; every text
// is well-formed UTF-8; and a bad line does not end the file. Bytes that begin like packed ones are unpacked, and may
// be damaged: only how much of them can still be read depends on how they arrive.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "io/jsonl.h"

namespace {

using rerank::Error;

// What a reader saw: a line number for each object, 0 for each error; nothing for a text that is damaged.
std::optional<std::vector<std::size_t>> read_all(std::string_view text, const rerank::io::LineOptions& options) {
  rerank::io::JsonlReader reader(rerank::io::LineReader::over(text, "fuzz.jsonl", options));
  std::vector<std::size_t> seen;
  std::size_t last_line = 0;
  while (true) {
    const auto object = reader.next();
    if (!object.ok()) {
      if (object.error().where.rfind("fuzz.jsonl", 0) != 0) std::abort();
      if (object.error().code == Error::Code::kCorrupt) {
        const auto after = reader.next();
        if (!after.ok() || after.value()) std::abort();
        return std::nullopt;
      }
      if (object.error().code != Error::Code::kBadInput) std::abort();
      seen.push_back(0);
      continue;
    }
    if (!object.value()) return seen;
    if (object.value()->line_number <= last_line) std::abort();
    last_line = object.value()->line_number;
    seen.push_back(last_line);
    const auto query = object.value()->json.string_at("query");
    if (query.ok() && rerank::first_invalid_utf8(query.value()) != std::string_view::npos) std::abort();
    if (!query.ok() && query.error().code != Error::Code::kBadInput) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // Lines beyond 200 bytes are too long here, so that the seeds reach that path as well.
  if (read_all(text, {.max_line_bytes = 200, .read_bytes = 7}) !=
      read_all(text, {.max_line_bytes = 200, .read_bytes = 4096}))
    std::abort();
  return 0;
}
