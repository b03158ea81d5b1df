#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace rerank::cli {
namespace {

struct ExcerptCase {
  const char* why;
  std::string text;
  std::size_t columns;
  std::string expected;
};
class Excerpt : public testing::TestWithParam<ExcerptCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Excerpt,
    testing::Values(ExcerptCase{"fits", "a panda", 7, "a panda"}, ExcerptCase{"is cut", "a panda", 6, "a pan…"},
                    ExcerptCase{"nothing", "", 10, ""}, ExcerptCase{"one column", "panda", 1, "…"},
                    ExcerptCase{"no column", "panda", 0, ""},
                    ExcerptCase{"white space is one space", " \ta \r\n\u00A0 b\u2028 ", 10, "a b"},
                    ExcerptCase{"controls cannot drive the terminal", "a\x1b[31mb\x07\u202E", 10, "a[31mb"},
                    ExcerptCase{"NUL", std::string("a\0b", 3), 10, "ab"},
                    ExcerptCase{"wide characters fit", "大熊猫", 6, "大熊猫"},
                    ExcerptCase{"wide characters are cut", "大熊猫", 5, "大熊…"},
                    ExcerptCase{"a wide character does not fit half", "大熊猫", 4, "大…"},
                    ExcerptCase{"combining marks take no column", "e\u0301te\u0301", 3, "e\u0301te\u0301"}));
TEST_P(Excerpt, IsOneLineThatFits) {
  const auto& [why, text, columns, expected] = GetParam();
  const std::string line = excerpt(text, columns);
  EXPECT_EQ(line, expected) << why;
  EXPECT_LE(display_width(line), columns) << why;
}

TEST(Wrap, BreaksBetweenWordsAndInsideLongOnes) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(wrap("", 10), Lines{});
  EXPECT_EQ(wrap("  a few\twords here \n\n and more\x1b", 10), (Lines{"a few", "words here", "and more"}));
  EXPECT_EQ(wrap("abcdefgh ij", 4), (Lines{"abcd", "efgh", "ij"}));
  EXPECT_EQ(wrap("大熊猫吃竹子", 5), (Lines{"大熊", "猫吃", "竹子"}));
  EXPECT_EQ(wrap("exactly ten", 11), Lines{"exactly ten"});
}

}  // namespace
}  // namespace rerank::cli
