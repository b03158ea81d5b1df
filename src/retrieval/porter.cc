#include "retrieval/porter.h"

#include <span>
#include <string_view>

namespace rerank::retrieval {
namespace {

class Stemmer {
 public:
  explicit Stemmer(std::string& word) : word_(word) {}

  void run() {
    plurals_and_participles();
    if (ends_in("y") && has_vowel(word_.size() - 1)) word_[word_.size() - 1] = 'i';
    replace_first(kStep2, 0);
    replace_first(kStep3, 0);
    remove_suffix_of_step_4();
    final_e_and_double_l();
  }

 private:
  struct Rule {
    std::string_view suffix, replacement;
  };
  static constexpr Rule kStep2[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
                                    {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
                                    {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                    {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                                    {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
                                    {"logi", "log"}};
  static constexpr Rule kStep3[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                    {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  static constexpr std::string_view kStep4[] = {"al",  "ance",  "ence", "er",  "ic",  "able", "ible",
                                                "ant", "ement", "ment", "ent", "ion", "ou",   "ism",
                                                "ate", "iti",   "ous",  "ive", "ize"};

  bool is_consonant(std::size_t at) const {
    switch (word_[at]) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        return false;
      case 'y':
        return at == 0 || !is_consonant(at - 1);
      default:
        return true;
    }
  }
  // Porter's m: how often consonants follow vowels in the first `size` bytes.
  std::size_t measure(std::size_t size) const {
    std::size_t count = 0;
    bool after_vowel = false;
    for (std::size_t at = 0; at < size; ++at) {
      const bool consonant = is_consonant(at);
      if (consonant && after_vowel) ++count;
      after_vowel = !consonant;
    }
    return count;
  }
  bool has_vowel(std::size_t size) const {
    for (std::size_t at = 0; at < size; ++at)
      if (!is_consonant(at)) return true;
    return false;
  }
  bool ends_in(std::string_view suffix) const { return word_.ends_with(suffix); }
  bool ends_in_double_consonant(std::size_t size) const {
    return size >= 2 && word_[size - 1] == word_[size - 2] && is_consonant(size - 1);
  }
  // Consonant, vowel, consonant, the last not w, x or y.
  bool ends_in_cvc(std::size_t size) const {
    if (size < 3 || !is_consonant(size - 1) || is_consonant(size - 2) || !is_consonant(size - 3)) return false;
    const char last = word_[size - 1];
    return last != 'w' && last != 'x' && last != 'y';
  }
  void cut(std::size_t bytes) { word_.erase(word_.size() - bytes); }

  void plurals_and_participles() {
    if (ends_in("sses") || ends_in("ies"))
      cut(2);
    else if (ends_in("s") && !ends_in("ss"))
      cut(1);
    if (ends_in("eed")) {
      if (measure(word_.size() - 3) > 0) cut(1);
      return;
    }
    const std::size_t suffix = ends_in("ed") ? 2 : ends_in("ing") ? 3 : 0;
    if (suffix == 0 || !has_vowel(word_.size() - suffix)) return;
    cut(suffix);
    if (ends_in("at") || ends_in("bl") || ends_in("iz")) {
      word_ += 'e';
    } else if (ends_in_double_consonant(word_.size())) {
      const char last = word_.back();
      if (last != 'l' && last != 's' && last != 'z') cut(1);
    } else if (measure(word_.size()) == 1 && ends_in_cvc(word_.size())) {
      word_ += 'e';
    }
  }

  // Of the suffixes that the word ends in, the longest; replaced where the rest has a measure above `least`.
  void replace_first(std::span<const Rule> rules, std::size_t least) {
    const Rule* longest = nullptr;
    for (const Rule& rule : rules)
      if (ends_in(rule.suffix) && (longest == nullptr || rule.suffix.size() > longest->suffix.size())) longest = &rule;
    if (longest == nullptr || measure(word_.size() - longest->suffix.size()) <= least) return;
    cut(longest->suffix.size());
    word_ += longest->replacement;
  }

  void remove_suffix_of_step_4() {
    std::string_view longest;
    for (const std::string_view suffix : kStep4)
      if (ends_in(suffix) && suffix.size() > longest.size()) longest = suffix;
    if (longest.empty()) return;
    const std::size_t rest = word_.size() - longest.size();
    if (longest == "ion" && (rest == 0 || (word_[rest - 1] != 's' && word_[rest - 1] != 't'))) return;
    if (measure(rest) > 1) cut(longest.size());
  }

  void final_e_and_double_l() {
    if (ends_in("e")) {
      const std::size_t rest = word_.size() - 1, m = measure(rest);
      if (m > 1 || (m == 1 && !ends_in_cvc(rest))) cut(1);
    }
    if (ends_in("ll") && measure(word_.size()) > 1) cut(1);
  }

  std::string& word_;
};

}  // namespace

void porter_stem(std::string& word) {
  if (word.size() > 2) Stemmer(word).run();
}

}  // namespace rerank::retrieval
