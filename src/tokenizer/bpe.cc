#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"

namespace rerank::tokenizer {
namespace {

constexpr std::uint32_t kEnd = 0xFFFFFFFF;  // no neighbour
// Up to here looking at all symbols for the best merge beats a heap.
constexpr std::size_t kFewSymbols = 40;

// An optional string that is absent, null or empty.
Result<std::string> read_affix(const io::Json& json, std::string_view key) {
  return json.string_or(key, "");
}

}  // namespace

bool Bpe::can_use_raw_bytes(const io::Json& json) {
  const auto set = [&](std::string_view key) {
    const auto value = json.find(key);
    return value && !(value->is_string() && value->string().value().empty());
  };
  bool byte_fallback = false;
  if (const auto value = json.find("byte_fallback")) byte_fallback = !value->boolean().ok() || value->boolean().value();
  return !set("continuing_subword_prefix") && !set("end_of_word_suffix") && !byte_fallback;
}

Result<Bpe> Bpe::read(const io::Json& json, bool raw_bytes) {
  Bpe model;
  model.raw_bytes_ = raw_bytes;
  if (const auto dropout = json.find("dropout")) {
    RERANK_ASSIGN(const double value, dropout->number());
    if (value != 0)
      return dropout->error(Error::Code::kUnsupported, fmt::format("is {}: ids would be random", value),
                            "set it to null: dropout is for training");
  }
  RERANK_ASSIGN(model.prefix_, read_affix(json, "continuing_subword_prefix"));
  RERANK_ASSIGN(model.suffix_, read_affix(json, "end_of_word_suffix"));
  RERANK_ASSIGN(model.fuse_unknown_, json.boolean_or("fuse_unk", false));
  RERANK_ASSIGN(model.ignore_merges_, json.boolean_or("ignore_merges", false));
  RERANK_ASSIGN(const bool byte_fallback, json.boolean_or("byte_fallback", false));
  RERANK_TRY(model.read_vocabulary(json));
  if (const auto unknown = json.find("unk_token")) {
    RERANK_ASSIGN(const std::string_view token, unknown->string());
    model.unknown_ = model.find(token);
    if (!model.unknown_)
      return unknown->error(Error::Code::kCorrupt, fmt::format("\"{}\" is not in the vocabulary", token));
  }
  if (byte_fallback) {
    for (int byte = 0; byte < 256; ++byte)
      model.fallback_.push_back(model.find(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  model.note_characters();
  RERANK_TRY(model.read_merges(json));
  return model;
}

Status Bpe::read_vocabulary(const io::Json& json) {
  RERANK_ASSIGN(const io::Json vocab, json.get("vocab"));
  RERANK_ASSIGN(vocabulary_, Vocabulary::read_object(vocab));
  index_ = TokenIndex(vocabulary_.size());
  std::string bytes;
  for (std::size_t id = 0; id < vocabulary_.size(); ++id) {
    const auto number = static_cast<std::int32_t>(id);
    std::optional<std::int32_t> same;
    if (raw_bytes_) {
      bytes.clear();
      const bool inside = append_bytes_of(vocabulary_[id], bytes);
      raw_.push(bytes);
      if (inside)
        same = index_.insert(raw_, number);
      else if (const auto [it, is_new] = outside_alphabet_.emplace(vocabulary_[id], number); !is_new)
        same = it->second;
    } else {
      same = index_.insert(vocabulary_, number);
    }
    if (same)
      return vocab.error(Error::Code::kCorrupt,
                         fmt::format("\"{}\" has two ids, {} and {}", vocabulary_[id], *same, number));
  }
  raw_.shrink();
  return {};
}

std::optional<std::int32_t> Bpe::find(std::string_view token) const {
  if (!raw_bytes_) {
    const std::int32_t id = id_of(token);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  std::string bytes;
  if (append_bytes_of(token, bytes)) {
    const std::int32_t id = id_of(bytes);
    return id < 0 ? std::nullopt : std::optional(id);
  }
  const auto found = outside_alphabet_.find(std::string(token));
  return found == outside_alphabet_.end() ? std::nullopt : std::optional(found->second);
}

void Bpe::note_characters() {
  if (raw_bytes_) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      byte_ids_[static_cast<std::size_t>(byte)] = id_of(std::string_view(&c, 1));
    }
    return;
  }
  std::array<std::int32_t, 256> empty;
  empty.fill(-1);
  character_ids_.push_back(empty);  // page 0 is shared by all that have no entry
  for (std::size_t id = 0; id < vocabulary_.size(); ++id) {
    const std::string_view token = vocabulary_[id];
    if (token.empty() || token.size() > 4) continue;
    const CodePoint c = decode_utf8(token, 0);
    if (c.length != token.size()) continue;
    std::uint16_t& page = character_page_[c.value >> 8];
    if (page == 0) {
      page = static_cast<std::uint16_t>(character_ids_.size());
      character_ids_.push_back(empty);
    }
    character_ids_[page][c.value & 0xFF] = static_cast<std::int32_t>(id);
  }
}

// One element of "merges": ["a", "b"] or "a b". The oldest files begin with a line "#version", which is no merge.
Result<bool> Bpe::read_pair(const io::Json& list, simdjson::dom::element merge, std::size_t index, MergeNames& names) {
  std::string_view text;
  simdjson::dom::array pair;
  if (merge.get(text) == simdjson::SUCCESS) {
    if (text.substr(0, 8) == "#version") return false;
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
      return list.item(merge, index)
          .error(Error::Code::kCorrupt, fmt::format("\"{}\" is not two tokens with one space between", text));
    names.left = text.substr(0, space);
    names.right = text.substr(space + 1);
  } else if (merge.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
             pair.at(0).get(names.left) != simdjson::SUCCESS || pair.at(1).get(names.right) != simdjson::SUCCESS) {
    return list.item(merge, index).expected("a pair of tokens");
  }
  if (names.right.size() < prefix_.size())
    return list.item(merge, index)
        .error(Error::Code::kCorrupt,
               fmt::format("\"{}\" is shorter than continuing_subword_prefix \"{}\"", names.right, prefix_));
  return true;
}

// Looks up the three tokens of many merges at once: each look-up touches three far places, so all are asked for first.
Status Bpe::add_merges(const io::Json& list, std::span<MergeNames> batch, std::uint32_t& rank) {
  const Vocabulary& names = raw_bytes_ ? raw_ : vocabulary_;
  for (MergeNames& merge : batch) {
    merge.bytes.clear();
    merge.in_alphabet = true;
    std::size_t left = merge.left.size();
    if (raw_bytes_) {
      merge.in_alphabet = append_bytes_of(merge.left, merge.bytes);
      left = merge.bytes.size();
      merge.in_alphabet = merge.in_alphabet && append_bytes_of(merge.right, merge.bytes);
      merge.parts[0] = std::string_view(merge.bytes).substr(0, left);
      merge.parts[1] = std::string_view(merge.bytes).substr(left);
    } else {
      merge.bytes = merge.left;
      merge.bytes += merge.right.substr(prefix_.size());
      merge.parts[0] = merge.left;
      merge.parts[1] = merge.right;
    }
    merge.parts[2] = merge.bytes;
    for (std::size_t i = 0; i < 3; ++i) {
      merge.hashes[i] = hash_bytes(merge.parts[i]);
      index_.prefetch(merge.hashes[i]);
    }
  }
  const auto each_first = [&](auto&& visit) {
    for (const MergeNames& merge : batch)
      for (const std::uint64_t hash : merge.hashes)
        if (const std::int32_t id = index_.first(hash); id >= 0) visit(static_cast<std::size_t>(id));
  };
  each_first([&](std::size_t id) { names.prefetch_place(id); });
  each_first([&](std::size_t id) { names.prefetch_text(id); });
  for (MergeNames& merge : batch) {
    for (std::size_t i = 0; i < 3; ++i)
      merge.ids[i] = merge.in_alphabet ? index_.find(names, merge.parts[i], merge.hashes[i]) : -1;
    if (!merge.in_alphabet) {
      merge.ids[0] = find(merge.left).value_or(-1);
      merge.ids[1] = find(merge.right).value_or(-1);
      merge.ids[2] = find(std::string(merge.left) + std::string(merge.right)).value_or(-1);
    }
    merges_.prefetch(merge.ids[0], merge.ids[1]);
  }
  for (const MergeNames& merge : batch) {
    if (merge.ids[0] < 0 || merge.ids[1] < 0 || merge.ids[2] < 0) {
      std::string missing(merge.ids[0] < 0 ? merge.left : merge.right);
      if (merge.ids[0] >= 0 && merge.ids[1] >= 0)
        missing = fmt::format("{}{}", merge.left, merge.right.substr(prefix_.size()));
      return list.item(merge.element, merge.index)
          .error(Error::Code::kCorrupt, fmt::format("merges \"{}\" and \"{}\", but \"{}\" is not in the vocabulary",
                                                    merge.left, merge.right, missing));
    }
    merges_.insert(merge.ids[0], merge.ids[1], {rank++, merge.ids[2]});
    note_join(merge);
  }
  return {};
}

// Tells the filter what this merge may join, or gives the filter up where it could not be sound.
void Bpe::note_join(const MergeNames& merge) {
  if (!joins_.active()) return;
  const auto is_fallback = [&](std::int32_t id) {
    return std::binary_search(sorted_fallback_.begin(), sorted_fallback_.end(), id);
  };
  if (merge.left.empty() || merge.right.empty() || !merge.in_alphabet || is_fallback(merge.ids[0]) ||
      is_fallback(merge.ids[1]))
    joins_.disable();
  else if (raw_bytes_)
    joins_.note_bytes(merge.parts[0], merge.parts[1]);
  else
    joins_.note_characters(merge.left, merge.right);
}

Status Bpe::read_merges(const io::Json& json) {
  RERANK_ASSIGN(const io::Json list, json.get("merges"));
  RERANK_ASSIGN(const simdjson::dom::array merges, list.array());
  // Cutting is only sound where every character is a symbol or is spelled in bytes that no merge touches.
  bool cuttable = prefix_.empty() && suffix_.empty();
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const bool spelled = raw_bytes_ ? byte_ids_[byte] >= 0
                                    : (!fallback_.empty() && fallback_[byte] >= 0) ||
                                          (byte < 0x80 && character_id(static_cast<char32_t>(byte)) >= 0);
    cuttable = cuttable && spelled;
  }
  if (cuttable) joins_.activate();
  sorted_fallback_ = fallback_;
  std::sort(sorted_fallback_.begin(), sorted_fallback_.end());

  std::size_t count = 0;
  for ([[maybe_unused]] const simdjson::dom::element merge : merges) ++count;
  merges_ = MergeTable(count);
  std::array<MergeNames, 32> batch;
  std::size_t filled = 0, index = 0;
  std::uint32_t rank = 0;
  for (const simdjson::dom::element merge : merges) {
    MergeNames& names = batch[filled];
    names.element = merge;
    names.index = index;
    RERANK_ASSIGN(const bool is_merge, read_pair(list, merge, index++, names));
    if (is_merge && ++filled == batch.size()) {
      RERANK_TRY(add_merges(list, batch, rank));
      filled = 0;
    }
  }
  return add_merges(list, std::span(batch).first(filled), rank);
}

std::size_t Bpe::memory() const {
  return vocabulary_.memory() + raw_.memory() + index_.memory() + merges_.memory() +
         character_ids_.capacity() * sizeof(character_ids_[0]) + joins_.memory() + sizeof(Bpe);
}

void Bpe::tokenize(std::string_view piece, const BlockedIds& blocked, BpeScratch& scratch, TokenSink& sink) const {
  const bool cacheable = sink.ranges == nullptr && blocked.empty() && WordCache::fits(piece);
  const std::uint64_t hash = cacheable || ignore_merges_ ? hash_bytes(piece) : 0;
  if (cacheable && scratch.cache.append(piece, hash, sink.ids)) return;
  const std::size_t first = sink.ids.size();
  std::int32_t whole = -1;
  if (ignore_merges_) whole = index_.find(raw_bytes_ ? raw_ : vocabulary_, piece, hash);
  if (whole >= 0 && !blocked.contains(whole)) {
    sink.put(whole, 0, piece.size());
  } else if (!joins_.active()) {
    merge_word(piece, 0, blocked, scratch, sink);
  } else if (raw_bytes_) {
    std::size_t begin = 0;
    // Only between characters beyond ASCII are cuts frequent enough to look for.
    for (std::size_t at = 1; at < piece.size(); ++at) {
      if (static_cast<unsigned char>(piece[at]) < 0xC0 || static_cast<unsigned char>(piece[at - 1]) < 0x80) continue;
      if (joins_.may_join_bytes(piece, at)) continue;
      tokenize_word(piece, begin, at, blocked, scratch, sink);
      begin = at;
    }
    tokenize_word(piece, begin, piece.size(), blocked, scratch, sink);
  } else {
    std::size_t begin = 0;
    CodePoint left = decode_utf8(piece, 0);
    for (std::size_t at = left.length; at < piece.size();) {
      const CodePoint right = decode_utf8(piece, at);
      if (!joins_.may_join_characters(left.value, right.value)) {
        tokenize_word(piece, begin, at, blocked, scratch, sink);
        begin = at;
      }
      left = right;
      at += right.length;
    }
    tokenize_word(piece, begin, piece.size(), blocked, scratch, sink);
  }
  if (cacheable) scratch.cache.store(piece, hash, std::span<const std::int32_t>(sink.ids).subspan(first));
}

void Bpe::tokenize_word(std::string_view piece, std::size_t begin, std::size_t end, const BlockedIds& blocked,
                        BpeScratch& scratch, TokenSink& sink) const {
  const std::string_view word = piece.substr(begin, end - begin);
  if (sink.ranges != nullptr || !blocked.empty() || !WordCache::fits(word) || word.size() == piece.size()) {
    merge_word(word, begin, blocked, scratch, sink);
    return;
  }
  // With ignore_merges a whole piece may be an entry that merges do not reach: parts of pieces are remembered apart.
  WordCache& cache = ignore_merges_ ? scratch.part_cache : scratch.cache;
  const std::uint64_t hash = hash_bytes(word);
  if (cache.append(word, hash, sink.ids)) return;
  const std::size_t first = sink.ids.size();
  merge_word(word, begin, blocked, scratch, sink);
  cache.store(word, hash, std::span<const std::int32_t>(sink.ids).subspan(first));
}

void Bpe::merge_word(std::string_view word, std::size_t begin, const BlockedIds& blocked, BpeScratch& scratch,
                     TokenSink& sink) const {
  if (prefix_.empty() && suffix_.empty())
    split_into_symbols(word, scratch);
  else
    split_with_affixes(word, scratch);
  if (scratch.symbols.size() <= kFewSymbols)
    merge_few(scratch, blocked);
  else
    merge_many(scratch, blocked);

  std::size_t at = begin;
  const std::size_t end = begin + word.size();
  for (std::uint32_t i = scratch.symbols.empty() ? kEnd : 0; i != kEnd; i = scratch.symbols[i].next) {
    const BpeScratch::Symbol& symbol = scratch.symbols[i];
    // The library counts a symbol's place from the lengths before it, whatever was dropped in between.
    sink.put(symbol.id, std::min(at, end - 1), std::min(at + symbol.length, end));
    at += symbol.length;
  }
}

// Collects the first symbols of a word: known characters, bytes, and unknown tokens.
class Bpe::SymbolList {
 public:
  SymbolList(const Bpe& model, std::vector<BpeScratch::Symbol>& symbols) : model_(model), symbols_(symbols) {
    symbols_.clear();
  }
  // A character of `length` bytes: `id` is its entry, or -1, and `spelled` what was looked for.
  void put(std::int32_t id, std::uint32_t length, std::string_view spelled) {
    if (id >= 0) {
      flush();
      add(id, length);
      return;
    }
    const auto& fallback = model_.fallback_;
    const auto byte_id = [&](char c) { return fallback[static_cast<unsigned char>(c)]; };
    if (!fallback.empty() && std::all_of(spelled.begin(), spelled.end(), [&](char c) { return byte_id(c) >= 0; })) {
      // As in the library, bytes overtake an unknown token that still waits for more of its kind.
      for (const char c : spelled) add(byte_id(c), 1);
      return;
    }
    if (!model_.unknown_) return;  // without an unknown token the character is lost
    if (!model_.fuse_unknown_) flush();
    unknown_length_ += length;
  }
  void flush() {
    if (unknown_length_ > 0) add(*model_.unknown_, unknown_length_);
    unknown_length_ = 0;
  }

 private:
  void add(std::int32_t id, std::uint32_t length) { symbols_.push_back({id, length, 0, 0, 0, 0}); }

  const Bpe& model_;
  std::vector<BpeScratch::Symbol>& symbols_;
  std::uint32_t unknown_length_ = 0;  // of the unknown token that is not added yet
};

void Bpe::split_into_symbols(std::string_view word, BpeScratch& scratch) const {
  SymbolList list(*this, scratch.symbols);
  for (std::size_t at = 0; at < word.size();) {
    CodePoint c{static_cast<unsigned char>(word[at]), 1};
    if (!raw_bytes_) c = decode_utf8(word, at);
    list.put(raw_bytes_ ? byte_ids_[c.value] : character_id(c.value), c.length, word.substr(at, c.length));
    at += c.length;
  }
  list.flush();
}

// The rare form: every character but the first is looked up with the prefix, the last with the suffix.
void Bpe::split_with_affixes(std::string_view word, BpeScratch& scratch) const {
  SymbolList list(*this, scratch.symbols);
  std::string& spelled = scratch.spelled;
  for (std::size_t at = 0; at < word.size();) {
    const std::uint32_t length = decode_utf8(word, at).length;
    spelled = at > 0 ? prefix_ : std::string();
    spelled += word.substr(at, length);
    at += length;
    if (at == word.size()) spelled += suffix_;
    list.put(id_of(spelled), length, spelled);
  }
  list.flush();
}

// Ranks lie side by side, so that looking for the lowest is a short sweep.
void Bpe::merge_few(BpeScratch& scratch, const BlockedIds& blocked) const {
  auto& symbols = scratch.symbols;
  std::size_t count = symbols.size();
  std::uint32_t ranks[kFewSymbols], lengths[kFewSymbols];
  std::int32_t ids[kFewSymbols], merged[kFewSymbols];
  for (std::size_t i = 0; i < count; ++i) {
    ids[i] = symbols[i].id;
    lengths[i] = symbols[i].length;
    ranks[i] = Merge::kNone;
    merged[i] = -1;
  }
  const auto look_up = [&](std::size_t i) {
    const Merge merge = merge_of(ids[i], ids[i + 1], blocked);
    ranks[i] = merge.rank;
    merged[i] = merge.id;
  };
  for (std::size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const std::size_t pairs = count - 1;
    std::uint32_t lowest = ranks[0];
    for (std::size_t i = 1; i < pairs; ++i) lowest = std::min(lowest, ranks[i]);
    if (lowest == Merge::kNone) break;
    std::size_t best = 0;
    while (ranks[best] != lowest) ++best;
    ids[best] = merged[best];
    lengths[best] += lengths[best + 1];
    --count;
    for (std::size_t i = best + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      lengths[i] = lengths[i + 1];
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    if (best + 1 < count) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  symbols.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    symbols[i].id = ids[i];
    symbols[i].length = lengths[i];
    symbols[i].next = i + 1 < count ? static_cast<std::uint32_t>(i + 1) : kEnd;
  }
}

void Bpe::merge_many(BpeScratch& scratch, const BlockedIds& blocked) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  heap.clear();
  const auto count = static_cast<std::uint32_t>(symbols.size());
  const auto look_up = [&](std::uint32_t i) {
    BpeScratch::Symbol& symbol = symbols[i];
    const Merge merge = symbol.next == kEnd ? Merge{} : merge_of(symbol.id, symbols[symbol.next].id, blocked);
    symbol.rank = merge.rank;
    symbol.merged = merge.id;
    return merge.rank != Merge::kNone;
  };
  const auto entry = [&](std::uint32_t i) { return static_cast<std::uint64_t>(symbols[i].rank) << 32 | i; };
  for (std::uint32_t i = 0; i < count; ++i) {
    symbols[i].previous = i == 0 ? kEnd : i - 1;
    symbols[i].next = i + 1 < count ? i + 1 : kEnd;
    if (look_up(i)) heap.push_back(entry(i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const std::uint64_t top = heap.back();
    heap.pop_back();
    const auto i = static_cast<std::uint32_t>(top);
    BpeScratch::Symbol& symbol = symbols[i];
    if (symbol.rank != top >> 32) continue;  // merged meanwhile, or into something else
    const std::uint32_t gone = symbol.next;
    symbol.id = symbol.merged;
    symbol.length += symbols[gone].length;
    symbol.next = symbols[gone].next;
    symbols[gone].rank = Merge::kNone;
    if (symbol.next != kEnd) symbols[symbol.next].previous = i;
    const auto push = [&](std::uint32_t at) {
      if (!look_up(at)) return;
      heap.push_back(entry(at));
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    };
    push(i);
    if (symbol.previous != kEnd) push(symbol.previous);
  }
}

}  // namespace rerank::tokenizer
