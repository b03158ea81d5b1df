// Tokens that are found in the text before the model sees it: control tokens and others that the file adds.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/try.h"
#include "io/json.h"
#include "tokenizer/normalizers.h"
#include "tokenizer/text.h"
#include "tokenizer/trie.h"

namespace rerank::tokenizer {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  std::string decoded;       // what decoding gives: the normalized form where it is looked for in that
  bool special = false;      // a control token: left out when decoding with skip_special_tokens
  bool single_word = false;  // found only between characters that are not \w
  bool lstrip = false;       // takes the spaces on its left with it
  bool rstrip = false;
  bool normalized = true;  // looked for in normalized text, in its own normalized form
};

class AddedTokens {
 public:
  // Reads "added_tokens". `find_in_model` gives the id that the model's own vocabulary has for a text, or nullopt;
  // `model_size` is the number of its entries: tokens beyond it must carry on from there, as the library numbers them.
  template <class FindInModel>
  static Result<AddedTokens> read(const io::Json& json, const std::vector<Normalizer>& normalizers,
                                  std::size_t model_size, FindInModel&& find_in_model) {
    AddedTokens added;
    RERANK_TRY(added.read_list(json));
    auto next = static_cast<std::int32_t>(model_size);
    for (const AddedToken& token : added.tokens_) {
      const std::optional<std::int32_t> in_model = find_in_model(token.content);
      RERANK_TRY(added.check_id(json, token, in_model ? *in_model : next));
      if (!in_model) ++next;
    }
    added.size_ = static_cast<std::size_t>(next);
    RERANK_TRY(added.build(normalizers));
    return added;
  }

  // Ids of model and added tokens together: 0..size()-1.
  std::size_t size() const { return size_; }
  const AddedToken* by_id(std::int32_t id) const;
  const AddedToken* by_content(std::string_view content) const;
  const std::vector<AddedToken>& all() const { return tokens_; }

  // Cuts `text` at the tokens found in it; with `skip_special` control tokens are not looked for.
  void cut_original(std::string_view text, bool skip_special, std::vector<Piece>& out) const;
  void cut_normalized(std::string_view text, bool skip_special, std::vector<Piece>& out) const;
  bool any_normalized() const { return normalized_.any; }

 private:
  // What is looked for in one kind of text. Values of the trie are indices into tokens_.
  struct Finder {
    Trie trie;
    bool starts[256] = {};  // bytes that some token begins with
    bool any = false;
  };

  Status read_list(const io::Json& json);
  Status check_id(const io::Json& json, const AddedToken& token, std::int32_t expected) const;
  Status build(const std::vector<Normalizer>& normalizers);
  void cut(const Finder& finder, std::string_view text, bool skip_special, std::vector<Piece>& out) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  std::unordered_map<std::string_view, std::size_t> by_content_;  // views into tokens_
  Finder original_, normalized_;
  std::size_t size_ = 0;
};

}  // namespace rerank::tokenizer
