#include "io/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

namespace rerank::io {
namespace {

TEST(JsonNumber, IsShortestAndReadsAsFloatingPoint) {
  EXPECT_EQ(json_number(-5.652f, true), "-5.652");
  EXPECT_EQ(json_number(-5.652f, false), "-5.6519999504089355");
  EXPECT_EQ(json_number(3, true), "3.0");
  EXPECT_EQ(json_number(0.00028, false), "0.00028");
  EXPECT_EQ(json_number(-0.0, true), "-0.0");
  EXPECT_EQ(json_number(1e-7f, true), "1e-07");
}

TEST(JsonNumber, ParsesBackToTheSameFloat) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    const std::uint32_t bits = random();
    float value;
    static_assert(sizeof(value) == sizeof(bits));
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(std::strtof(json_number(value, true).c_str(), nullptr), value);
  }
}

TEST(JsonString, EscapesWhatJsonForbids) {
  EXPECT_EQ(json_string("plain 大"), "\"plain 大\"");
  EXPECT_EQ(json_string(std::string_view("\"\\\n\0\x1f", 5)), R"("\"\\\n\u0000\u001f")");
  EXPECT_EQ(json_string("\b\f\r\t/"), R"("\b\f\r\t/")");
}

TEST(JsonString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json_string("a\xFF\xE5\xA4"), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(json_string("\xE5\xA4\xA7\xC0z"), "\"\xE5\xA4\xA7\xEF\xBF\xBDz\"");
}

}  // namespace
}  // namespace rerank::io
