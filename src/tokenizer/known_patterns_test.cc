#include "tokenizer/known_patterns.h"

#include <gtest/gtest.h>

#include <random>

#include "tokenizer/pattern.h"

namespace rerank::tokenizer {
namespace {

// Short texts over an alphabet in which every branch of the expressions is frequent, and any code point now and then.
std::string random_text(std::mt19937& random) {
  static constexpr const char* kAlphabet[] = {
      "a",      "B",      "s",      "S",      "t",          "re",     "LL",     "d",      "'",      "'",      "\u017F",
      "1",      "22",     " ",      " ",      "  ",         "\t",     "\n",     "\r",     "\r\n",   "\u00A0", "\u2028",
      "\u3000", ".",      "/",      "//",     "\u4E2D",     "\u0301", "\u01C5", "\u02B0", "\u00E9", "\u0414", "\u0434",
      "\u0663", "\u00BD", "\u2163", "\u200D", "\U0001F600", "\u0903", "\u20DD", "_",      "\u0000x"};
  std::string text;
  const std::size_t length = random() % 24;
  for (std::size_t i = 0; i < length; ++i) {
    if (random() % 16 == 0) {
      const char32_t c = random() % 0x110000;
      append_utf8(c >= 0xD800 && c < 0xE000 ? U'a' : c, text);
    } else {
      text += kAlphabet[random() % std::size(kAlphabet)];
    }
  }
  return text;
}

TEST(KnownPatterns, CutLikeTheRegexEngine) {
  std::mt19937 random(20240614);
  for (const std::string_view expression : KnownPattern::all()) {
    const auto known = KnownPattern::of(expression);
    ASSERT_TRUE(known.has_value());
    const auto engine = Pattern::regex(expression, "test");
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random_text(random);
      std::vector<Piece> pieces;
      known->cut(text, 0, static_cast<std::uint32_t>(text.size()), pieces);
      std::vector<ByteRange> expected;
      ASSERT_TRUE(engine.value().find(text, expected).ok());
      std::vector<ByteRange> found;
      for (const Piece& piece : pieces) found.push_back({piece.begin, piece.end});
      ASSERT_EQ(found, expected) << "text \"" << text << "\" with " << expression;
    }
  }
}

TEST(KnownPatterns, AreOnlyTheOnesThatAreWrittenExactlySo) {
  EXPECT_FALSE(KnownPattern::of("").has_value());
  EXPECT_FALSE(KnownPattern::of(R"(\s+)").has_value());
  EXPECT_FALSE(KnownPattern::of(std::string(KnownPattern::all()[0]) + "|x").has_value());
}

}  // namespace
}  // namespace rerank::tokenizer
