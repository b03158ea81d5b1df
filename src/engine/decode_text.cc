#include "engine/decode_text.h"

#include <algorithm>

namespace rerank {
namespace {

// Bytes that are not what they are in the whole text: the rest of a character at the beginning of the tail, a space
// that a first token loses, a character at the end that is not whole yet.
constexpr std::size_t kMargin = 16;

}  // namespace

StopFinder::StopFinder(const tokenizer::Tokenizer& tokenizer, std::span<const std::string> stops)
    : tokenizer_(tokenizer), stops_(stops) {
  for (const std::string& stop : stops) longest_ = std::max(longest_, stop.size());
}

std::optional<std::size_t> StopFinder::first_stop(const std::string& text, std::size_t& at) const {
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < stops_.size(); ++i) {
    const std::size_t found = text.find(stops_[i]);
    if (found == std::string::npos || (first && found >= at)) continue;
    first = i;
    at = found;
  }
  return first;
}

std::optional<StopFinder::Hit> StopFinder::find(std::span<const std::int32_t> ids) {
  if (stops_.empty()) return std::nullopt;
  const std::size_t enough = longest_ + kMargin;
  std::size_t at = 0;
  const std::string tail = tokenizer_.decode(ids.subspan(begin_), false);
  if (first_stop(tail, at)) {
    // What counts is where the whole text has it.
    std::string text = tokenizer_.decode(ids, false);
    if (const auto stop = first_stop(text, at)) return Hit{text.substr(0, at), *stop};
  }
  // A stop string that the next token completes begins in the last `enough` bytes. The tail is cut to them when it has
  // become three times as long, so that a token is decoded a few times in all.
  if (tail.size() < 3 * enough) return std::nullopt;
  for (std::size_t cut = ids.size(); cut-- > begin_ + 1;) {
    if (tokenizer_.decode(ids.subspan(cut), false).size() < enough) continue;
    begin_ = cut;
    break;
  }
  return std::nullopt;
}

}  // namespace rerank
