#include "scoring/tokenizer_config.h"

#include "base/try.h"

namespace rerank::scoring {
namespace {

constexpr std::size_t kDigitsOf64Bits = 18;  // that any integer of 64 bits can have

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string without_huge_integers(std::string_view json) {
  std::string text;
  text.reserve(json.size() + 2);
  bool in_string = false;
  for (std::size_t i = 0; i < json.size();) {
    if (in_string && json[i] == '\\') {
      text += json.substr(i, 2);
      i += 2;
      continue;
    }
    if (json[i] == '"') in_string = !in_string;
    if (in_string || !is_digit(json[i])) {
      text += json[i++];
      continue;
    }
    const std::size_t begin = i;
    while (i < json.size() && is_digit(json[i])) ++i;
    text += json.substr(begin, i - begin);
    const bool fraction = begin > 0 && json[begin - 1] == '.';
    const bool has_more = i < json.size() && (json[i] == '.' || json[i] == 'e' || json[i] == 'E');
    if (i - begin > kDigitsOf64Bits && !fraction && !has_more) text += ".0";
  }
  return text;
}

Result<std::optional<io::JsonDocument>> read_tokenizer_config(const io::Checkpoint& checkpoint) {
  const auto text = checkpoint.tokenizer_config_json();
  if (!text.ok() && text.error().code == Error::Code::kNotFound) return std::optional<io::JsonDocument>();
  if (!text.ok()) return text.error();
  RERANK_ASSIGN(auto document, io::JsonDocument::parse(without_huge_integers(text.value()),
                                                       checkpoint.name() + "/tokenizer_config.json"));
  return std::optional(std::move(document));
}

Result<StatedToken> stated_token(const io::Json& tokenizer_config, std::string_view key) {
  StatedToken token;
  const auto value = tokenizer_config.get(key);
  token.stated = value.ok();
  if (!value.ok() || value.value().is_null()) return token;
  RERANK_ASSIGN(const std::string_view text,
                value.value().is_object() ? value.value().string_at("content") : value.value().string());
  token.text = std::string(text);
  return token;
}

}  // namespace rerank::scoring
