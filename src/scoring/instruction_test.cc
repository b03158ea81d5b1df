#include "scoring/instruction.h"

#include <gtest/gtest.h>

namespace rerank::scoring {
namespace {

struct FormatCase {
  const char* instruction;
  const char* format;
  const char* text;
  const char* expected;
};
class Instruction : public ::testing::TestWithParam<FormatCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Instruction,
    ::testing::Values(FormatCase{"Query: ", "{}{}", "what?", "Query: what?"}, FormatCase{"", "{}{}", "what?", "what?"},
                      FormatCase{"", "[{}] {}", "no instruction, no format", "no instruction, no format"},
                      FormatCase{"Find", "{}:\\n{}", "x", "Find:\nx"},
                      FormatCase{"Find", "<{}|{}>", "{} stays in the text", "<Find|{} stays in the text>"}));
TEST_P(Instruction, IsAppliedAsTheReferenceDoes) {
  const auto format = InstructionFormat::make(GetParam().instruction, GetParam().format, "--format");
  ASSERT_TRUE(format.ok()) << format.error().message();
  EXPECT_EQ(format.value().apply(GetParam().text), GetParam().expected);
}

TEST(Instruction, AFormatWithoutTwoPlaceholdersIsRefused) {
  for (const char* format : {"", "{}", "{}{}{}", "{0}{1}", "{}{", "{{}}{}"}) {
    const auto made = InstructionFormat::make("a", format, "--query-instruction-format");
    ASSERT_FALSE(made.ok()) << format;
    EXPECT_EQ(made.error().where, "--query-instruction-format");
  }
}

TEST(Instruction, DefaultsCountOnlyWhereNoneIsGiven) {
  ScoreOptions options;
  options.passage_instruction = "";
  const auto formats = InstructionFormats::make(options, "A: ", "B: ");
  ASSERT_TRUE(formats.ok());
  EXPECT_EQ(formats.value().query.apply("x"), "A: x");
  EXPECT_EQ(formats.value().passage.apply("y"), "y");
  const auto none = InstructionFormats::make({});
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none.value().query.apply("x"), "x");
}

}  // namespace
}  // namespace rerank::scoring
