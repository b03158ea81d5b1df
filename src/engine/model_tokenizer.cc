#include "engine/model_tokenizer.h"

#include "base/try.h"
#include "engine/embedded_model.h"

namespace rerank {
namespace {

std::shared_ptr<const tokenizer::Tokenizer> own(tokenizer::Tokenizer tokenizer) {
  return std::make_shared<const tokenizer::Tokenizer>(std::move(tokenizer));
}

}  // namespace

Result<ModelTokenizer> ModelTokenizer::load(const std::filesystem::path& folder) {
  RERANK_ASSIGN(auto tokenizer, tokenizer::Tokenizer::load(folder / "tokenizer.json"));
  return ModelTokenizer(std::make_shared<const Impl>(Impl{own(std::move(tokenizer))}));
}

Result<ModelTokenizer> ModelTokenizer::load_embedded() {
  RERANK_ASSIGN(auto tokenizer, tokenizer::Tokenizer::parse(embedded_checkpoint().tokenizer_json, "tokenizer.json"));
  return ModelTokenizer(std::make_shared<const Impl>(Impl{own(std::move(tokenizer))}));
}

Result<TokenIds> ModelTokenizer::encode(std::string_view text, std::optional<std::string_view> text_pair,
                                        bool special_tokens, bool special_tokens_in_text) const {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = special_tokens;
  options.special_tokens_in_text = special_tokens_in_text;
  RERANK_ASSIGN(auto encoding, text_pair ? impl_->tokenizer->encode_pair(text, *text_pair, options)
                                         : impl_->tokenizer->encode(text, options));
  return TokenIds{std::move(encoding.ids), std::move(encoding.type_ids)};
}

Result<std::vector<Token>> ModelTokenizer::tokens(std::string_view text, bool special_tokens,
                                                  bool special_tokens_in_text) const {
  tokenizer::EncodeOptions options;
  options.add_special_tokens = special_tokens;
  options.special_tokens_in_text = special_tokens_in_text;
  RERANK_ASSIGN(const auto encoding, impl_->tokenizer->encode(text, options));
  std::vector<Token> tokens;
  tokens.reserve(encoding.ids.size());
  for (std::size_t i = 0; i < encoding.ids.size(); ++i)
    tokens.push_back({encoding.ids[i], std::string(impl_->tokenizer->id_to_token(encoding.ids[i]).value_or("")),
                      encoding.special_tokens_mask[i] != 0, encoding.offsets[i].begin, encoding.offsets[i].end});
  return tokens;
}

std::string ModelTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  return impl_->tokenizer->decode(ids, skip_special_tokens);
}

ModelTokenizer::ModelTokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ModelTokenizer::ModelTokenizer(ModelTokenizer&&) noexcept = default;
ModelTokenizer& ModelTokenizer::operator=(ModelTokenizer&&) noexcept = default;
ModelTokenizer::~ModelTokenizer() = default;

}  // namespace rerank
