// Any bytes give a template or an Error; a template renders or fails, and always ends.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rerank::tokenizer;
  const auto made = ChatTemplate::parse({reinterpret_cast<const char*>(data), size}, "fuzz.jinja");
  if (!made.ok()) {
    if (made.error().where != "fuzz.jinja") std::abort();
    return 0;
  }
  const std::vector<ChatMessage> messages = {{"system", " s"}, {"user", "u\n"}, {"assistant", "\xC3\xA9"}};
  const auto text = made.value().render(messages, {.bos_token = "<s>"});
  if (text.ok() && rerank::first_invalid_utf8(text.value()) != std::string_view::npos) std::abort();
  return 0;
}
