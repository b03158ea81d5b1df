// Any bytes give a tokenizer or an Error that names the file; whatever is accepted tokenizes and decodes.
#include <cstdint>
#include <cstdlib>

#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rerank::tokenizer::Tokenizer;
  const auto tokenizer = Tokenizer::parse({reinterpret_cast<const char*>(data), size}, "fuzz.json");
  if (!tokenizer.ok()) {
    if (tokenizer.error().where.find("fuzz.json") == std::string::npos || tokenizer.error().what.empty()) std::abort();
    return 0;
  }
  const Tokenizer& made = tokenizer.value();
  for (const char* text : {"", "a b  ab<s>", "caf\xC3\xA9 \xE4\xB8\xAD 12'S\r\n", "\xF0\x9F\x98\x80\xCC\x81"}) {
    const auto encoding = made.encode_pair(text, "ab a");
    if (!encoding.ok()) continue;
    if (made.encode_ids(text).value().size() > encoding.value().ids.size()) std::abort();
    made.decode(encoding.value().ids, false);
    for (const auto offset : encoding.value().offsets)
      if (offset.begin > offset.end) std::abort();
  }
  return 0;
}
