#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace rerank {
namespace {

struct Utf8Case {
  const char* why;
  std::string bytes;
  std::size_t first_invalid;
};

constexpr std::size_t kValid = std::string_view::npos;

class Utf8 : public ::testing::TestWithParam<Utf8Case> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Utf8,
    ::testing::Values(Utf8Case{"empty", "", kValid}, Utf8Case{"ascii beyond one word", "0123456789abcdef!", kValid},
                      Utf8Case{"two, three and four bytes", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xBC", kValid},
                      Utf8Case{"NUL is a character", std::string("a\0b", 3), kValid},
                      Utf8Case{"lone continuation", "abc\x80", 3}, Utf8Case{"overlong slash", "\xC0\xAF", 0},
                      Utf8Case{"overlong three bytes", "\xE0\x80\xAF", 0}, Utf8Case{"surrogate", "ok\xED\xA0\x80", 2},
                      Utf8Case{"beyond U+10FFFF", "\xF4\x90\x80\x80", 0},
                      Utf8Case{"cut at the end", "12345678\xE2\x82", 8}));
TEST_P(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(first_invalid_utf8(GetParam().bytes), GetParam().first_invalid) << GetParam().why;
}

TEST(Utf8, EveryCodePointSurvivesARoundTrip) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    append_utf8(c, bytes);
    ASSERT_EQ(first_invalid_utf8(bytes), kValid);
    ASSERT_EQ(decode_utf8(bytes, 0).value, c);
    ASSERT_EQ(decode_utf8(bytes, 0).length, bytes.size());
    ASSERT_EQ(count_code_points(bytes), 1u);
  }
}

}  // namespace
}  // namespace rerank
