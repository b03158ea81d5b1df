#include "retrieval/analyzer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/utf8.h"
#include "retrieval/porter.h"

namespace rerank::retrieval {
namespace {

constexpr std::size_t kLongestTerm = 255;    // bytes; Lucene's limit in characters
constexpr std::size_t kMostStems = 1 << 20;  // bounds the memory for texts full of different words
constexpr std::array<std::string_view, 33> kStopWords = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

bool is_stop_word(std::string_view word) {
  return std::find(kStopWords.begin(), kStopWords.end(), word) != kStopWords.end();
}

void append_small(std::string_view text, std::string& out) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      out += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
      ++at;
      continue;
    }
    const CodePoint point = decode_utf8(text, at);
    append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point.value))), out);
    at += point.length;
  }
}

// "'s" in its three forms.
std::string_view without_possessive(std::string_view word) {
  if (!word.ends_with('s') && !word.ends_with('S')) return word;
  const std::string_view rest = word.substr(0, word.size() - 1);
  for (const std::string_view apostrophe : {"'", "\xE2\x80\x99", "\xEF\xBC\x87"})
    if (rest.ends_with(apostrophe)) return rest.substr(0, rest.size() - apostrophe.size());
  return word;
}

// NFKC with case folded.
std::string folded(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; })) {
    std::string small;
    append_small(text, small);
    return small;
  }
  utf8proc_uint8_t* mapped = nullptr;
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD);
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (size < 0) return std::string(text);  // only without memory, or for a text that is no UTF-8
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

}  // namespace

std::optional<Language> parse_language(std::string_view name) {
  const auto at = std::find(kLanguageNames.begin(), kLanguageNames.end(), name);
  if (at == kLanguageNames.end()) return std::nullopt;
  return static_cast<Language>(at - kLanguageNames.begin());
}

void Analyzer::add_english(std::string_view word) {
  small_.clear();
  append_small(without_possessive(word), small_);
  if (small_.size() > kLongestTerm) return;
  const auto known = stems_.find(small_);
  if (known != stems_.end()) {
    if (!known->second.empty()) terms_.push_back(known->second);
    return;
  }
  if (stems_.size() == kMostStems) stems_.clear();
  std::string stem = is_stop_word(small_) ? "" : small_;
  porter_stem(stem);
  if (!stem.empty()) terms_.push_back(stem);
  stems_.emplace(small_, std::move(stem));
}

bool Analyzer::is_without_blanks(WordKind kind) const {
  switch (kind) {
    case WordKind::kIdeograph:
    case WordKind::kKatakana:
      return true;
    case WordKind::kHangul:
      return language_ == Language::kCjk;
    case WordKind::kSoutheast:
      return language_ == Language::kNeutral;
    case WordKind::kWord:
      return false;
  }
  return false;
}

// Takes the words from word_idx on that follow each other without a gap and are written without blanks, as pairs of
// characters; one alone is a term itself.
void Analyzer::add_bigrams(std::string_view text, std::size_t& word_idx) {
  const std::size_t begin = words_[word_idx].begin;
  std::size_t end = words_[word_idx].end;
  while (++word_idx < words_.size() && words_[word_idx].begin == end && is_without_blanks(words_[word_idx].kind))
    end = words_[word_idx].end;
  std::size_t before = begin, at = begin + decode_utf8(text, begin).length;
  if (at >= end) terms_.emplace_back(text.substr(begin, end - begin));
  while (at < end) {
    const std::size_t next = at + decode_utf8(text, at).length;
    terms_.emplace_back(text.substr(before, next - before));
    before = at;
    at = next;
  }
}

const std::vector<std::string>& Analyzer::terms(std::string_view text) {
  terms_.clear();
  if (language_ == Language::kEnglish) {
    find_words(text, words_);
    for (const Word& word : words_) add_english(text.substr(word.begin, word.end - word.begin));
    return terms_;
  }
  const std::string folded_text = folded(text);
  find_words(folded_text, words_);
  for (std::size_t word_idx = 0; word_idx < words_.size();) {
    const Word& word = words_[word_idx];
    if (is_without_blanks(word.kind)) {
      add_bigrams(folded_text, word_idx);
      continue;
    }
    ++word_idx;
    const std::string_view term = std::string_view(folded_text).substr(word.begin, word.end - word.begin);
    if (term.size() <= kLongestTerm && !(language_ == Language::kCjk && is_stop_word(term))) terms_.emplace_back(term);
  }
  return terms_;
}

}  // namespace rerank::retrieval
