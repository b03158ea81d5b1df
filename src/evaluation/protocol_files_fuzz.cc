// The readers of the small files that protocols bring along: no input may crash them, and errors name the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "evaluation/protocol_files.h"

namespace {

template <auto kRead>
void check(std::string_view text) {
  const auto result = kRead(rerank::io::LineReader::over(text, "fuzz.jsonl"));
  if (!result.ok() && (result.error().what.empty() || result.error().where.rfind("fuzz.jsonl", 0) != 0)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace ev = rerank::evaluation;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check<ev::read_id_lists>(text);
  check<ev::read_instructions>(text);
  check<ev::read_examples>(text);
  check<ev::read_prompts>(text);
  return 0;
}
