#include "tokenizer/precompiled.h"

#include <fmt/format.h>

#include <cstring>

#include "base/try.h"
#include "tokenizer/unicode.h"

namespace rerank::tokenizer {
namespace {

// Standard base64 with padding; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::array<std::int8_t, 256> value;
  value.fill(-1);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    value[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const bool pad = at + i >= text.size() - padding;
      const std::int8_t digit = pad ? 0 : value[static_cast<unsigned char>(text[at + i])];
      if (digit < 0) return std::nullopt;
      word = word << 6 | static_cast<std::uint32_t>(digit);
    }
    out += static_cast<char>(word >> 16 & 0xFF);
    out += static_cast<char>(word >> 8 & 0xFF);
    out += static_cast<char>(word & 0xFF);
  }
  out.resize(out.size() - padding);
  return out;
}

// The fields of one unit of Darts' double array.
std::uint32_t offset_of(std::uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
std::uint32_t label_of(std::uint32_t unit) {
  return unit & (1u << 31 | 0xFF);
}
bool has_leaf(std::uint32_t unit) {
  return (unit >> 8 & 1) == 1;
}
std::uint32_t value_of(std::uint32_t unit) {
  return unit & ~(1u << 31);
}

// Clusters of this many bytes and more are replaced character by character.
constexpr std::size_t kLongCluster = 6;

}  // namespace

Result<Precompiled> Precompiled::read(const io::Json& json) {
  RERANK_ASSIGN(const io::Json field, json.get("precompiled_charsmap"));
  RERANK_ASSIGN(const std::string_view base64, field.string());
  const auto corrupt = [&](std::string what) { return field.error(Error::Code::kCorrupt, std::move(what)); };
  const auto bytes = decode_base64(base64);
  if (!bytes) return corrupt("is not base64");
  if (bytes->size() < 4) return corrupt(fmt::format("has {} bytes, a charsmap needs at least 4", bytes->size()));
  std::uint32_t trie_bytes;
  std::memcpy(&trie_bytes, bytes->data(), 4);
  if (trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes > bytes->size() - 4)
    return corrupt(fmt::format("announces a trie of {} bytes, but {} bytes follow: it is cut short or damaged",
                               trie_bytes, bytes->size() - 4));
  Precompiled made;
  made.trie_.resize(trie_bytes / 4);
  std::memcpy(made.trie_.data(), bytes->data() + 4, trie_bytes);
  made.replacements_ = bytes->substr(4 + trie_bytes);
  if (first_invalid_utf8(made.replacements_) != std::string_view::npos)
    return corrupt("has replacement texts that are not valid UTF-8");
  for (std::size_t c = 0; c < made.ascii_alone_.size(); ++c) {
    const char byte = static_cast<char>(c);
    made.ascii_alone_[c] = !made.replacement(std::string_view(&byte, 1));
  }
  return made;
}

std::optional<std::string_view> Precompiled::replacement(std::string_view chunk) const {
  std::uint32_t node = offset_of(trie_[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) return std::nullopt;
    node ^= byte;
    if (node >= trie_.size() || label_of(trie_[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= trie_.size()) return std::nullopt;
    const std::uint32_t at = value_of(trie_[node]);
    // A damaged value must not cut a character in two.
    if (at > replacements_.size() || (at < replacements_.size() && (replacements_[at] & 0xC0) == 0x80))
      return std::nullopt;
    const std::size_t end = replacements_.find('\0', at);
    return std::string_view(replacements_).substr(at, (end == std::string::npos ? replacements_.size() : end) - at);
  }
  return std::nullopt;
}

void Precompiled::normalize(const Text& in, std::uint32_t origin, Text& out) const {
  Rewriter rewriter(in, origin, out);
  const std::string_view text = in.bytes;
  // The library gives each new character the change 0, but 1 to those that are more than the old ones; when they are
  // fewer, the last character so far also drops the rest, whatever it was. So one character waits for its final change.
  char32_t waiting = 0;
  std::ptrdiff_t waiting_change = 0;
  bool waits = false;
  const auto flush = [&] {
    if (waits) rewriter.put(waiting, waiting_change);
    waits = false;
  };
  const auto put = [&](char32_t c, std::ptrdiff_t change) {
    flush();
    waiting = c;
    waiting_change = change;
    waits = true;
  };
  const auto replace = [&](std::string_view old, std::string_view with) {
    const std::size_t old_count = count_code_points(old), new_count = count_code_points(with);
    std::size_t index = 0;
    for (std::size_t at = 0; at < with.size(); ++index) {
      const CodePoint c = decode_utf8(with, at);
      put(c.value, index < old_count ? 0 : 1);
      at += c.length;
    }
    if (new_count < old_count && waits) waiting_change -= static_cast<std::ptrdiff_t>(old_count - new_count);
  };
  const auto one_by_one = [&](std::string_view cluster) {
    for (std::size_t at = 0; at < cluster.size();) {
      const CodePoint c = decode_utf8(cluster, at);
      const std::string_view character = cluster.substr(at, c.length);
      if (const auto with = replacement(character))
        replace(character, *with);
      else
        put(c.value, 0);
      at += c.length;
    }
  };
  const auto plain = [&](std::size_t i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    return byte < 0x80 && ascii_alone_[byte];
  };
  for (std::size_t at = 0; at < text.size();) {
    // An ASCII character before another one is a cluster by itself, except CR before LF.
    if (plain(at)) {
      std::size_t stop = at;
      while (stop + 1 < text.size() && plain(stop) && static_cast<unsigned char>(text[stop + 1]) < 0x80 &&
             text[stop] != '\r')
        ++stop;
      if (stop + 1 == text.size() && plain(stop)) ++stop;
      if (stop > at) {
        flush();
        if (!in.tracked) {
          out.bytes.append(text, at, stop - at);
        } else {
          for (std::size_t i = at; i < stop; ++i) put(static_cast<unsigned char>(text[i]), 0);
        }
        at = stop;
        continue;
      }
    }
    const std::size_t end = grapheme_end(text, at);
    const std::string_view cluster = text.substr(at, end - at);
    if (cluster.size() < kLongCluster) {
      if (const auto with = replacement(cluster)) {
        replace(cluster, *with);
        at = end;
        continue;
      }
    }
    one_by_one(cluster);
    at = end;
  }
  flush();
}

}  // namespace rerank::tokenizer
