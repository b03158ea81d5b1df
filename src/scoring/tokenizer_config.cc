#include "scoring/tokenizer_config.h"

#include "base/try.h"

namespace rerank::scoring {

Result<std::optional<io::JsonDocument>> read_tokenizer_config(const io::Checkpoint& checkpoint) {
  const auto text = checkpoint.tokenizer_config_json();
  if (!text.ok() && text.error().code == Error::Code::kNotFound) return std::optional<io::JsonDocument>();
  if (!text.ok()) return text.error();
  RERANK_ASSIGN(auto document, io::JsonDocument::parse(text.value(), checkpoint.name() + "/tokenizer_config.json"));
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
