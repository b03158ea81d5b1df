// Where words begin and end.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace rerank::retrieval {

enum class WordKind {
  kWord,       // letters and digits with what joins them: "can't", "3.14", "U.S"
  kIdeograph,  // one Han character or hiragana
  kKatakana,   // a run of katakana
  kHangul,     // a run that holds Hangul
  kSoutheast,  // a run of Thai, Lao, Khmer or Burmese letters, which are written without blanks
};

struct Word {
  std::size_t begin = 0, end = 0;  // bytes of the text
  WordKind kind = WordKind::kWord;
};

// The words of a well-formed UTF-8 text by the default rules of Unicode (UAX #29), as Lucene's StandardTokenizer takes
// them; what holds no letter and no digit is none. `words` is emptied first.
void find_words(std::string_view text, std::vector<Word>& words);

}  // namespace rerank::retrieval
