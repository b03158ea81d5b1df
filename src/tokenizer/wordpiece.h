// WordPiece: the longest known prefix, again and again. Source: Wu et al. 2016, section 4.1; BERT's WordpieceTokenizer.
#pragma once

#include <optional>
#include <string_view>

#include "io/json.h"
#include "tokenizer/model.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace rerank::tokenizer {

class WordPiece {
 public:
  static Result<WordPiece> read(const io::Json& json);

  // Appends the tokens of one word, or the unknown token for a word that is too long or cannot be spelled.
  void tokenize(std::string_view word, const BlockedIds& blocked, TokenSink& sink) const;

  std::optional<std::int32_t> find(std::string_view token) const { return whole_.find(token); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::size_t memory() const { return whole_.memory() + continuing_.memory() + vocabulary_.memory(); }

 private:
  Vocabulary vocabulary_;
  Trie whole_;       // entries as they are: what a word may begin with
  Trie continuing_;  // entries with the prefix, without it: what may follow
  std::int32_t unknown_ = 0;
  std::size_t max_characters_ = 100;
};

}  // namespace rerank::tokenizer
