#include "base/try.h"
#include "engine/embedded_model.h"
#include "rerank/engine.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

struct ModelTokenizer::Impl {
  tokenizer::Tokenizer tokenizer;
};

Result<ModelTokenizer> ModelTokenizer::load(const std::filesystem::path& folder) {
  RERANK_ASSIGN(auto tokenizer, tokenizer::Tokenizer::load(folder / "tokenizer.json"));
  return ModelTokenizer(std::make_shared<const Impl>(Impl{std::move(tokenizer)}));
}

Result<ModelTokenizer> ModelTokenizer::load_embedded() {
  RERANK_ASSIGN(auto tokenizer, tokenizer::Tokenizer::parse(embedded_checkpoint().tokenizer_json, "tokenizer.json"));
  return ModelTokenizer(std::make_shared<const Impl>(Impl{std::move(tokenizer)}));
}

Result<TokenIds> ModelTokenizer::encode(std::string_view text, std::optional<std::string_view> text_pair,
                                        bool special_tokens, bool special_tokens_in_text) const {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = special_tokens;
  options.special_tokens_in_text = special_tokens_in_text;
  RERANK_ASSIGN(auto encoding, text_pair ? impl_->tokenizer.encode_pair(text, *text_pair, options)
                                         : impl_->tokenizer.encode(text, options));
  return TokenIds{std::move(encoding.ids), std::move(encoding.type_ids)};
}

ModelTokenizer::ModelTokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ModelTokenizer::ModelTokenizer(ModelTokenizer&&) noexcept = default;
ModelTokenizer& ModelTokenizer::operator=(ModelTokenizer&&) noexcept = default;
ModelTokenizer::~ModelTokenizer() = default;

}  // namespace rerank
