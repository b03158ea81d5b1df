#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rerank {
namespace {

// The definition of binary16 in plain arithmetic (IEEE 754-2019, 3.4).
double f16_by_definition(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F, fraction = bits & 0x3FF;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0x1F) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, WidensEveryF16Exactly) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const double expected = f16_by_definition(half);
    const float got = f16_to_f32(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    ASSERT_EQ(got, expected) << bits;
    ASSERT_EQ(std::signbit(got), std::signbit(expected)) << bits;
  }
}

TEST(Half, EveryBf16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = bf16_to_f32(half);
    if (std::isnan(wide)) {
      ASSERT_EQ(f32_to_bf16(wide), half | 0x0040) << bits;  // made quiet
      continue;
    }
    ASSERT_EQ(f32_to_bf16(wide), half) << bits;
  }
}

TEST(Half, EveryF16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float wide = f16_to_f32(half);
    if (std::isnan(wide)) {
      ASSERT_EQ(f32_to_f16(wide), (half & 0x8000) | 0x7E00) << bits;
      continue;
    }
    ASSERT_EQ(f32_to_f16(wide), half) << bits;
  }
}

// Between two neighbours: nearer to one, nearer to the other, and a tie, which goes to the even one.
TEST(Half, F16RoundsToTheNearest) {
  for (std::uint16_t half = 0; half < 0x7BFF; ++half) {
    const float below = f16_to_f32(half), above = f16_to_f32(static_cast<std::uint16_t>(half + 1));
    const float middle = below + (above - below) / 2;
    const auto next = static_cast<std::uint16_t>(half + 1);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, below)), half);
    ASSERT_EQ(f32_to_f16(middle), half % 2 == 0 ? half : next) << half;
    ASSERT_EQ(f32_to_f16(-middle), (half % 2 == 0 ? half : next) | 0x8000) << half;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, above)), next);
  }
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::infinity()), 0xFC00);
}

struct RoundingCase {
  const char* why;
  std::uint32_t f32;
  std::uint16_t bf16;
};
class Bf16Rounding : public testing::TestWithParam<RoundingCase> {};
INSTANTIATE_TEST_SUITE_P(Table, Bf16Rounding,
                         testing::Values(RoundingCase{"below half", 0x3F807FFF, 0x3F80},
                                         RoundingCase{"a tie goes down to even", 0x3F808000, 0x3F80},
                                         RoundingCase{"above half", 0x3F808001, 0x3F81},
                                         RoundingCase{"a tie goes up to even", 0x3F818000, 0x3F82},
                                         RoundingCase{"negative tie", 0xBF818000, 0xBF82},
                                         RoundingCase{"carries into the exponent", 0x3FFFFFFF, 0x4000},
                                         RoundingCase{"largest f32 overflows", 0x7F7FFFFF, 0x7F80},
                                         RoundingCase{"infinity", 0xFF800000, 0xFF80},
                                         RoundingCase{"minus zero", 0x80000000, 0x8000},
                                         RoundingCase{"smallest subnormal", 0x00000001, 0x0000},
                                         RoundingCase{"a NaN with low payload", 0x7F800001, 0x7FC0},
                                         RoundingCase{"a NaN of all ones", 0xFFFFFFFF, 0xFFFF}));
TEST_P(Bf16Rounding, ToNearestEven) {
  const auto [why, f32, bf16] = GetParam();
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(f32)), bf16) << why;
}

}  // namespace
}  // namespace rerank
