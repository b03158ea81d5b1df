#include "retrieval/analyzer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "retrieval/porter.h"

namespace rerank::retrieval {
namespace {

std::string terms_of(Language language, std::string_view text) {
  Analyzer analyzer(language);
  std::string joined;
  for (const std::string& term : analyzer.terms(text)) joined += (joined.empty() ? "" : "|") + term;
  return joined;
}

struct Case {
  const char *text, *english, *neutral;
};
void PrintTo(const Case& row, std::ostream* out) {
  *out << row.text;
}
class Terms : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Terms,
    ::testing::Values(Case{"The quick brown foxes aren't jumping over U.S. dogs.",
                           "quick|brown|fox|aren't|jump|over|u.|dog",
                           "the|quick|brown|foxes|aren't|jumping|over|u.s|dogs"},
                      Case{"Alzheimer's disease, O\xE2\x80\x99Neil\xE2\x80\x99s", "alzheim|diseas|o\xE2\x80\x99neil",
                           "alzheimer's|disease|o\xE2\x80\x99neil\xE2\x80\x99s"},
                      Case{"3.14 1,000 v2.0 p53/BRCA-1 a_b x:y 50%", "3.14|1,000|v2.0|p53|brca|1|a_b|x:y|50",
                           "3.14|1,000|v2.0|p53|brca|1|a_b|x:y|50"},
                      Case{"... -- __ '' \n\t", "", ""}, Case{"", "", ""},
                      Case{"na\xC3\xAFve \xC3\x9C"
                           "ber stra\xC3\x9F"
                           "e",
                           "na\xC3\xAFv|\xC3\xBC"
                           "ber|stra\xC3\x9F",
                           "na\xC3\xAFve|\xC3\xBC"
                           "ber|strasse"},
                      Case{"北京大学 abc", "北|京|大|学|abc", "北京|京大|大学|abc"}, Case{"中", "中", "中"},
                      Case{"カタカナ と", "カタカナ|と", "カタ|タカ|カナ|と"},
                      Case{"한국어 문장", "한국어|문장", "한국어|문장"}, Case{"ไทย", "ไทย", "ไท|ทย"},
                      Case{"ＡＢＣ１２", "ａｂｃ１２", "abc12"}));
TEST_P(Terms, AreThoseOfLucenesRules) {
  EXPECT_EQ(terms_of(Language::kEnglish, GetParam().text), GetParam().english);
  EXPECT_EQ(terms_of(Language::kNeutral, GetParam().text), GetParam().neutral);
}

TEST(Terms, CjkTakesHangulByTwo) {
  EXPECT_EQ(terms_of(Language::kCjk, "한국어 the 中文"), "한국|국어|中文");
}

TEST(Terms, AWordMetAgainHasTheSameStem) {
  Analyzer analyzer(Language::kEnglish);
  const std::vector<std::string> first = analyzer.terms("Relational the THE relational");
  EXPECT_EQ(first, (std::vector<std::string>{"relat", "relat"}));
  EXPECT_EQ(analyzer.terms("relational"), std::vector<std::string>{"relat"});
}

// Porter's own examples, from his paper and vocabulary.
TEST(Porter, StemsHisExamples) {
  const std::pair<const char*, const char*> rows[] = {{"caresses", "caress"},
                                                      {"ponies", "poni"},
                                                      {"ties", "ti"},
                                                      {"cats", "cat"},
                                                      {"feed", "feed"},
                                                      {"agreed", "agre"},
                                                      {"plastered", "plaster"},
                                                      {"bled", "bled"},
                                                      {"motoring", "motor"},
                                                      {"sing", "sing"},
                                                      {"conflated", "conflat"},
                                                      {"troubled", "troubl"},
                                                      {"sized", "size"},
                                                      {"hopping", "hop"},
                                                      {"tanned", "tan"},
                                                      {"falling", "fall"},
                                                      {"hissing", "hiss"},
                                                      {"fizzed", "fizz"},
                                                      {"failing", "fail"},
                                                      {"filing", "file"},
                                                      {"happy", "happi"},
                                                      {"sky", "sky"},
                                                      {"relational", "relat"},
                                                      {"conditional", "condit"},
                                                      {"rational", "ration"},
                                                      {"valenci", "valenc"},
                                                      {"hesitanci", "hesit"},
                                                      {"digitizer", "digit"},
                                                      {"conformabli", "conform"},
                                                      {"radicalli", "radic"},
                                                      {"differentli", "differ"},
                                                      {"vileli", "vile"},
                                                      {"analogousli", "analog"},
                                                      {"vietnamization", "vietnam"},
                                                      {"predication", "predic"},
                                                      {"operator", "oper"},
                                                      {"feudalism", "feudal"},
                                                      {"decisiveness", "decis"},
                                                      {"hopefulness", "hope"},
                                                      {"callousness", "callous"},
                                                      {"formaliti", "formal"},
                                                      {"sensitiviti", "sensit"},
                                                      {"sensibiliti", "sensibl"},
                                                      {"triplicate", "triplic"},
                                                      {"formative", "form"},
                                                      {"formalize", "formal"},
                                                      {"electriciti", "electr"},
                                                      {"electrical", "electr"},
                                                      {"hopeful", "hope"},
                                                      {"goodness", "good"},
                                                      {"revival", "reviv"},
                                                      {"allowance", "allow"},
                                                      {"inference", "infer"},
                                                      {"airliner", "airlin"},
                                                      {"adjustable", "adjust"},
                                                      {"replacement", "replac"},
                                                      {"adjustment", "adjust"},
                                                      {"dependent", "depend"},
                                                      {"adoption", "adopt"},
                                                      {"communism", "commun"},
                                                      {"activate", "activ"},
                                                      {"homologous", "homolog"},
                                                      {"effective", "effect"},
                                                      {"bowdlerize", "bowdler"},
                                                      {"probate", "probat"},
                                                      {"rate", "rate"},
                                                      {"cease", "ceas"},
                                                      {"controll", "control"},
                                                      {"roll", "roll"},
                                                      {"is", "is"},
                                                      {"by", "by"},
                                                      {"generalizations", "gener"},
                                                      {"oscillators", "oscil"},
                                                      {"biology", "biologi"},
                                                      {"archaeology", "archaeolog"},
                                                      {"ing", "ing"},
                                                      {"ed", "ed"},
                                                      {"y", "y"}};
  for (const auto& [word, stem] : rows) {
    std::string cut = word;
    porter_stem(cut);
    EXPECT_EQ(cut, stem) << word;
  }
}

}  // namespace
}  // namespace rerank::retrieval
