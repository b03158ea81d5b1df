// Unigram: the segmentation of highest total score. Source: Kudo 2018, "Subword Regularization", equation 2; the
// one-pass Viterbi search of sentencepiece, EncodeOptimized() in unigram_model.cc.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "tokenizer/model.h"
#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"

namespace rerank::tokenizer {

class Unigram {
 public:
  static Result<Unigram> read(const io::Json& json);

  // Appends the tokens of one piece. kBadInput when a character is unknown and the model has no unknown token.
  Status tokenize(std::string_view piece, const BlockedIds& blocked, TokenSink& sink) const;

  std::optional<std::int32_t> find(std::string_view token) const { return trie_.find(token); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::size_t memory() const { return trie_.memory() + vocabulary_.memory() + scores_.capacity() * sizeof(double); }

 private:
  // The best segmentation that ends at a byte, as a link to where its last token begins.
  struct Node {
    double score;
    std::int32_t id;
    std::uint32_t begin;  // kUnset: no segmentation ends here
  };
  static constexpr std::uint32_t kUnset = 0xFFFFFFFF;

  // Appends bytes as <0x..> tokens, or false if one of them is missing.
  bool spell_bytes(std::string_view text, std::size_t begin, TokenSink& sink) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  Trie trie_;
  double unknown_score_ = 0;
  std::optional<std::int32_t> unknown_;
  std::vector<std::int32_t> byte_ids_;  // 256 entries with byte_fallback, -1 where missing; else empty
};

}  // namespace rerank::tokenizer
