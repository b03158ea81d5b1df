// Byte-pair encoding: neighbours are merged, the merge of lowest rank first. Source: Sennrich et al. 2016, algorithm 1.
//
// Where the vocabulary is spelled in the byte alphabet, the model works on raw bytes instead: same ids, no spelling.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/json.h"
#include "tokenizer/join_filter.h"
#include "tokenizer/merge_table.h"
#include "tokenizer/model.h"
#include "tokenizer/token_index.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace rerank::tokenizer {

// Memory that one thread needs while it tokenizes; kept between texts for its cache.
struct BpeScratch {
  struct Symbol {
    std::int32_t id;
    std::uint32_t length;  // bytes of text
    std::uint32_t previous, next;
    std::uint32_t rank;   // of the merge with the next symbol
    std::int32_t merged;  // what that merge makes
  };
  std::vector<Symbol> symbols;
  std::vector<std::uint64_t> heap;  // rank << 32 | position, lowest first
  std::string spelled;
  WordCache cache;
  WordCache part_cache;  // see Bpe::tokenize_word()
};

class Bpe {
 public:
  // With `raw_bytes`, pieces come as the bytes that the byte alphabet would spell; see can_use_raw_bytes().
  static Result<Bpe> read(const io::Json& json, bool raw_bytes);
  // Whether a model that gets its pieces from the byte alphabet can work on raw bytes.
  static bool can_use_raw_bytes(const io::Json& json);

  void tokenize(std::string_view piece, const BlockedIds& blocked, BpeScratch& scratch, TokenSink& sink) const;

  std::optional<std::int32_t> find(std::string_view token) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::size_t memory() const;

 private:
  class SymbolList;

  Status read_vocabulary(const io::Json& json);
  Status read_merges(const io::Json& json);
  // A merge while it is read: the two tokens as the file has them, then all three as they are looked up.
  struct MergeNames {
    simdjson::dom::element element;
    std::size_t index = 0;
    std::string_view left, right;
    std::string bytes;
    bool in_alphabet = true;
    std::string_view parts[3];
    std::uint64_t hashes[3] = {};
    std::int32_t ids[3] = {};
  };
  Result<bool> read_pair(const io::Json& list, simdjson::dom::element merge, std::size_t index, MergeNames& names);
  Status add_merges(const io::Json& list, std::span<MergeNames> batch, std::uint32_t& rank);
  void note_join(const MergeNames& merge);
  void note_characters();
  std::int32_t id_of(std::string_view bytes) const { return index_.find(raw_bytes_ ? raw_ : vocabulary_, bytes); }

  // Tokenizes bytes [begin, end) of `piece`, a word between two cuts, or all of it.
  void tokenize_word(std::string_view piece, std::size_t begin, std::size_t end, const BlockedIds& blocked,
                     BpeScratch& scratch, TokenSink& sink) const;
  void merge_word(std::string_view word, std::size_t begin, const BlockedIds& blocked, BpeScratch& scratch,
                  TokenSink& sink) const;
  void split_into_symbols(std::string_view word, BpeScratch& scratch) const;
  void split_with_affixes(std::string_view word, BpeScratch& scratch) const;
  void merge_few(BpeScratch& scratch, const BlockedIds& blocked) const;
  void merge_many(BpeScratch& scratch, const BlockedIds& blocked) const;
  Merge merge_of(std::int32_t left, std::int32_t right, const BlockedIds& blocked) const {
    const Merge merge = merges_.find(left, right);
    return merge.rank != Merge::kNone && blocked.contains(merge.id) ? Merge{} : merge;
  }

  bool raw_bytes_ = false, ignore_merges_ = false, fuse_unknown_ = false;
  Vocabulary vocabulary_;  // as the file spells it
  Vocabulary raw_;         // with raw_bytes_: as bytes; empty for an entry outside the byte alphabet
  TokenIndex index_;       // over raw_ or vocabulary_
  std::unordered_map<std::string, std::int32_t> outside_alphabet_;  // with raw_bytes_: entries that have no bytes
  MergeTable merges_;
  std::string prefix_, suffix_;
  std::optional<std::int32_t> unknown_;
  std::vector<std::int32_t> fallback_;  // 256 ids with byte_fallback, -1 where missing; else empty
  std::vector<std::int32_t> sorted_fallback_;

  // Id of each character that is an entry by itself: pages of 256 code points.
  std::array<std::uint16_t, 0x1100> character_page_{};
  std::vector<std::array<std::int32_t, 256>> character_ids_;
  std::int32_t character_id(char32_t c) const { return character_ids_[character_page_[c >> 8]][c & 0xFF]; }
  std::array<std::int32_t, 256> byte_ids_{};  // with raw_bytes_

  JoinFilter joins_;  // where it is active, pieces are cut before they are merged
};

}  // namespace rerank::tokenizer
