#include "engine/decode_text.h"

#include <algorithm>

namespace rerank {
namespace {

// Bytes that are not what they are in the whole text: the rest of a character at the beginning of the tail, a space
// that a first token loses, a character at the end that is not whole yet.
constexpr std::size_t kMargin = 16;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

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

TextStream::TextStream(const tokenizer::Tokenizer& tokenizer, std::vector<std::string> stops, bool skip_special_tokens)
    : tokenizer_(&tokenizer), stops_(std::move(stops)), skip_special_tokens_(skip_special_tokens) {}

std::string TextStream::add(std::int32_t token) {
  ids_.push_back(token);
  const std::string before = tokenizer_->decode(std::span(ids_).first(taken_), skip_special_tokens_);
  std::string text = tokenizer_->decode(ids_, skip_special_tokens_);
  // A replacement character may be the beginning of a character whose rest comes later.
  if (text.size() <= before.size() || text.ends_with(kReplacement)) return {};
  held_.append(text, before.size());
  // The tokens that were new stay, because the first token of a text may be decoded in a way of its own.
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = ids_.size();
  const std::size_t sure = sure_bytes(held_);
  std::string given = held_.substr(0, sure);
  held_.erase(0, sure);
  given_ += sure;
  return given;
}

std::string TextStream::finish(std::string_view text) {
  std::string rest(text.substr(std::min(given_, text.size())));
  given_ += rest.size();
  return rest;
}

// The bytes of `text` before a stop string, or before an end that may become one.
std::size_t TextStream::sure_bytes(std::string_view text) const {
  std::size_t sure = text.size();
  for (const std::string& stop : stops_) {
    sure = std::min(sure, text.find(stop));
    for (std::size_t length = std::min(stop.size() - 1, text.size()); length > 0; --length)
      if (text.ends_with(std::string_view(stop).substr(0, length))) {
        sure = std::min(sure, text.size() - length);
        break;
      }
  }
  return sure;
}

}  // namespace rerank
