// Any bytes give a document or an Error; every string of a document is well-formed UTF-8, and so is every key.
#include <cstdint>
#include <cstdlib>

#include "base/utf8.h"
#include "io/json.h"

namespace {

void check(const rerank::io::Json& json) {
  if (const auto text = json.string(); text.ok() && rerank::first_invalid_utf8(text.value()) != std::string_view::npos)
    std::abort();
  if (const auto array = json.array(); array.ok()) {
    std::size_t index = 0;
    for (const simdjson::dom::element element : array.value()) check(json.item(element, index++));
  }
  if (const auto object = json.object(); object.ok())
    for (const simdjson::dom::key_value_pair member : object.value()) {
      if (rerank::first_invalid_utf8(member.key) != std::string_view::npos) std::abort();
      check(json.member(member.value, member.key));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document =
      rerank::io::JsonDocument::parse({reinterpret_cast<const char*>(data), size}, std::string("fuzz.json"));
  if (document.ok())
    check(document.value().root());
  else if (document.error().message().empty())
    std::abort();
  return 0;
}
