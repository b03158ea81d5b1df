// From a text to the terms that are counted.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "retrieval/words.h"

namespace rerank::retrieval {

enum class Language {
  kEnglish,  // Lucene's EnglishAnalyzer: words, without "'s", in small letters, without its 33 stop words, Porter stems
  kNeutral,  // for any language: compatibility forms and case folded (NFKC), words; bigrams of Han, kana, Thai, Lao,
             // Khmer and Burmese, which are written without blanks
  kCjk,      // the same with bigrams of Hangul too, as Lucene's CJKAnalyzer, and its English stop words left out
};

inline constexpr std::array<std::string_view, 3> kLanguageNames = {"english", "neutral", "cjk"};  // [Language]
std::optional<Language> parse_language(std::string_view name);

// Keeps stems of words that it met, so use one for many texts. Not safe for use by several threads at once.
class Analyzer {
 public:
  explicit Analyzer(Language language) : language_(language) {}

  // The terms of a well-formed text, in its order, with repetitions. Valid until the next call.
  const std::vector<std::string>& terms(std::string_view text);

 private:
  void add_english(std::string_view word);
  void add_bigrams(std::string_view text, std::size_t& word_idx);
  bool is_without_blanks(WordKind kind) const;

  Language language_;
  std::vector<Word> words_;
  std::vector<std::string> terms_;
  std::string small_;
  std::unordered_map<std::string, std::string> stems_;  // of words in small letters; "" for a stop word
};

}  // namespace rerank::retrieval
