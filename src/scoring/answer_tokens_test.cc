#include "scoring/answer_tokens.h"

#include <gtest/gtest.h>

#include "scoring/test_support.h"

namespace rerank::scoring {
namespace {

TEST(AnswerToken, IsTheOneTokenOfTheAnswer) {
  const tokenizer::Tokenizer tokenizer = testing::byte_tokenizer();
  const auto token = answer_token(tokenizer, "abc");
  ASSERT_TRUE(token.ok()) << token.error().message();
  EXPECT_EQ(tokenizer.id_to_token(token.value()), "abc");
}

TEST(AnswerToken, SeveralTokensOrNoneAreNamed) {
  const tokenizer::Tokenizer tokenizer = testing::byte_tokenizer();
  const auto several = answer_token(tokenizer, "Yes");
  ASSERT_FALSE(several.ok());
  EXPECT_EQ(several.error().code, Error::Code::kUnsupported);
  EXPECT_EQ(several.error().what, "the answer \"Yes\" is 3 tokens (89, 101, 115), expected one token for it");
  EXPECT_FALSE(answer_token(tokenizer, "").ok());
}

TEST(AnswerToken, TheTokenForUnknownWordsIsNone) {
  const auto tokenizer = tokenizer::Tokenizer::parse(tokenizer::testing::TokenizerJson().text(), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  EXPECT_TRUE(answer_token(tokenizer.value(), "ab").ok());
  const auto unknown = answer_token(tokenizer.value(), "Yes");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().what.find("the token 0 (\"u\")"), std::string::npos) << unknown.error().what;
  EXPECT_FALSE(digit_tokens(tokenizer.value()).ok());
}

TEST(DigitTokens, AreSevenInOrder) {
  const tokenizer::Tokenizer tokenizer = testing::byte_tokenizer();
  const auto digits = digit_tokens(tokenizer);
  ASSERT_TRUE(digits.ok()) << digits.error().message();
  ASSERT_EQ(digits.value().size(), 7u);
  EXPECT_EQ(tokenizer.decode(digits.value(), false), "1234567");
}

}  // namespace
}  // namespace rerank::scoring
