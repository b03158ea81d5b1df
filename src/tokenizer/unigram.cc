#include "tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/try.h"

namespace rerank::tokenizer {
namespace {
// How much worse an unknown character is than the worst token.
constexpr double kUnknownPenalty = 10.0;

// The library reads "-7.4715776443481445" as the integer of its digits divided by a power of ten, which is often one
// unit in the last place off. Ties between paths are decided by that unit, so we read scores the same way: from the
// shortest digits that give the exact value, which are the digits that programs write. Source: f64_from_parts() in
// serde_json/src/de.rs.
double as_library_reads(double exact) {
  if (exact == 0 || !std::isfinite(exact)) return exact;
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, std::abs(exact), std::chars_format::scientific).ptr;
  const char* exponent_mark = std::find(static_cast<const char*>(text), static_cast<const char*>(end), 'e');
  std::uint64_t digits = 0;
  int decimals = 0;
  for (const char* at = text; at < exponent_mark; ++at) {
    if (*at == '.') continue;
    digits = digits * 10 + static_cast<std::uint64_t>(*at - '0');
    decimals += at > text ? 1 : 0;
  }
  int exponent = 0;
  std::from_chars(exponent_mark + (exponent_mark[1] == '+' ? 2 : 1), end, exponent);
  exponent -= decimals;
  double power = 1;
  if (std::abs(exponent) <= 22) {
    for (int i = 0; i < std::abs(exponent); ++i) power *= 10;  // exact
  } else {
    const std::string power_text = fmt::format("1e{}", std::abs(exponent));
    if (std::from_chars(power_text.data(), power_text.data() + power_text.size(), power).ec != std::errc())
      return exact;
  }
  const double value = exponent >= 0 ? static_cast<double>(digits) * power : static_cast<double>(digits) / power;
  return exact < 0 ? -value : value;
}
}  // namespace

Result<Unigram> Unigram::read(const io::Json& json) {
  RERANK_ASSIGN(const io::Json list, json.get("vocab"));
  RERANK_ASSIGN(const simdjson::dom::array entries, list.array());
  Unigram model;
  model.scores_.reserve(entries.size());
  double lowest = std::numeric_limits<double>::infinity();
  for (const simdjson::dom::element entry : entries) {
    simdjson::dom::array pair;
    std::string_view token;
    double score;
    const bool well_formed = entry.get(pair) == simdjson::SUCCESS && pair.size() == 2 &&
                             pair.at(0).get(token) == simdjson::SUCCESS && pair.at(1).get(score) == simdjson::SUCCESS;
    if (!well_formed) return list.item(entry, model.scores_.size()).expected("a pair [token, score]");
    score = as_library_reads(score);
    model.vocabulary_.push(token);
    model.scores_.push_back(score);
    lowest = std::min(lowest, score);
  }
  model.vocabulary_.shrink();
  model.unknown_score_ = lowest - kUnknownPenalty;

  if (const auto unknown = json.find("unk_id")) {
    RERANK_ASSIGN(const std::int64_t id, unknown->integer());
    if (id < 0 || static_cast<std::size_t>(id) >= model.scores_.size())
      return unknown->error(Error::Code::kCorrupt,
                            fmt::format("is {}, but the vocabulary has {} entries", id, model.scores_.size()));
    model.unknown_ = static_cast<std::int32_t>(id);
  }
  std::vector<Trie::Entry> keys;
  keys.reserve(model.scores_.size());
  for (std::size_t id = 0; id < model.scores_.size(); ++id)
    keys.push_back({model.vocabulary_[id], static_cast<std::int32_t>(id)});
  model.trie_ = Trie::build(std::move(keys));

  RERANK_ASSIGN(const bool byte_fallback, json.boolean_or("byte_fallback", false));
  if (byte_fallback) {
    for (int byte = 0; byte < 256; ++byte)
      model.byte_ids_.push_back(model.find(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  return model;
}

bool Unigram::spell_bytes(std::string_view text, std::size_t begin, TokenSink& sink) const {
  if (byte_ids_.empty()) return false;
  const auto id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (!std::all_of(text.begin(), text.end(), [&](char c) { return id(c) >= 0; })) return false;
  for (const char c : text) sink.put(id(c), begin, begin + text.size());
  return true;
}

Status Unigram::tokenize(std::string_view piece, const BlockedIds& blocked, TokenSink& sink) const {
  std::vector<Node> nodes(piece.size() + 1, Node{0, 0, kUnset});
  for (std::uint32_t begin = 0; begin < piece.size();) {
    const double so_far = nodes[begin].score;
    const auto lead = static_cast<unsigned char>(piece[begin]);
    const std::uint32_t character = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    bool has_single = false;
    const auto offer = [&](std::size_t end, double score, std::int32_t id) {
      Node& node = nodes[end];
      if (node.begin == kUnset || score > node.score) node = {score, id, begin};
    };
    trie_.each_prefix(piece.substr(begin), [&](std::size_t length, std::int32_t id) {
      if (blocked.contains(id)) return;
      offer(begin + length, scores_[static_cast<std::size_t>(id)] + so_far, id);
      has_single = has_single || length == character;
    });
    if (!has_single) {
      if (!unknown_)
        return Error{
            Error::Code::kBadInput,
            fmt::format("the character at byte {} of \"{}\" is not in the vocabulary, and the model has no unk_id",
                        begin, piece.substr(0, 80)),
            "", ""};
      offer(begin + character, unknown_score_ + so_far, *unknown_);
    }
    begin += character;
  }

  // From the end to the start; neighbouring unknowns become one token.
  std::vector<ByteRange> path;
  bool last_unknown = false;
  for (auto end = static_cast<std::uint32_t>(piece.size()); end > 0; end = nodes[end].begin) {
    const bool unknown = unknown_ && nodes[end].id == *unknown_;
    if (unknown && last_unknown)
      path.back().begin = nodes[end].begin;
    else
      path.push_back({nodes[end].begin, end});
    last_unknown = unknown;
  }
  for (std::size_t i = path.size(); i-- > 0;) {
    const auto [begin, end] = path[i];
    const Node& node = nodes[end];
    if (node.begin == begin && !(unknown_ && node.id == *unknown_)) {
      sink.put(node.id, begin, end);
      continue;
    }
    // Joined unknowns may happen to spell an entry, and the library looks again.
    const std::string_view text = piece.substr(begin, end - begin);
    const auto known = find(text);
    if (known && !blocked.contains(*known))
      sink.put(*known, begin, end);
    else if (!spell_bytes(text, begin, sink))
      sink.put(*unknown_, begin, end);
  }
  return {};
}

}  // namespace rerank::tokenizer
