// Any bytes as text: ids in range, the same with and without offsets, offsets inside the text, and the text comes back
// where the decoder is lossless. The first byte chooses the tokenizer; the rest is the text, and once more ids to
// decode.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tokenizer/test_tokenizers.h"
#include "tokenizer/tokenizer.h"

namespace {

using rerank::tokenizer::Tokenizer;

const std::vector<Tokenizer>& tokenizers() {
  static const auto* const all = [] {
    auto* made = new std::vector<Tokenizer>();
    for (const auto& json :
         {rerank::tokenizer::testing::byte_level_json(), rerank::tokenizer::testing::unigram_json(),
          rerank::tokenizer::testing::word_piece_json(), rerank::tokenizer::testing::byte_fallback_json()}) {
      auto parsed = Tokenizer::parse(json.text(), "fuzz.json");
      if (!parsed.ok()) std::abort();
      made->push_back(std::move(parsed).value());
    }
    return made;
  }();
  return *all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t which = data[0] % tokenizers().size();
  const Tokenizer& tokenizer = tokenizers()[which];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const bool special : {true, false}) {
    const rerank::tokenizer::EncodeOptions options{.add_special_tokens = false, .special_tokens_in_text = special};
    const auto ids = tokenizer.encode_ids(text, options);
    const auto encoding = tokenizer.encode(text, options);
    if (ids.ok() != (rerank::first_invalid_utf8(text) == std::string_view::npos)) std::abort();
    if (!ids.ok()) continue;
    if (!encoding.ok() || encoding.value().ids != ids.value()) std::abort();
    for (const std::int32_t id : ids.value())
      if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.vocab_size()) std::abort();
    for (const auto offset : encoding.value().offsets)
      if (offset.begin > offset.end || offset.end > text.size()) std::abort();
    // Plain text in the byte alphabet comes back; an added token would take the spaces before it.
    if (which == 0 && !special && tokenizer.decode(ids.value(), false) != text) std::abort();
  }
  std::vector<std::int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c) * 2 - 7);
  if (rerank::first_invalid_utf8(tokenizer.decode(ids, true)) != std::string_view::npos) std::abort();
  return 0;
}
