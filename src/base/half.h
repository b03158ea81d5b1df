// The two 16-bit floats of checkpoints, as their bits: IEEE binary16 ("f16") and bfloat16 ("bf16").
//
// Widening is exact. Every function is free of branches, so that loops over them become vector code.
#pragma once

#include <bit>
#include <cstdint>

namespace rerank {

inline float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Rounds to nearest, ties to even; too large becomes infinity, a NaN stays a quiet NaN of the same sign.
inline std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  // Rounding could carry a NaN with few payload bits over to infinity or zero.
  const std::uint32_t quiet_nan = (bits >> 16) | 0x0040;
  return static_cast<std::uint16_t>((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet_nan : rounded);
}

// Rounds to nearest, ties to even; from 65520 on it is infinity, and every NaN is the quiet NaN of the same sign.
inline std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU, sign = bits >> 16 & 0x8000U;
  const std::uint32_t rebias = (127U - 15U) << 23;
  const std::uint32_t normal = (magnitude - rebias + 0xFFF + (magnitude >> 13 & 1)) >> 13;
  // A subnormal is fraction * 2^-24: the sum with 0.5, whose last bit is worth 2^-24, rounds it in f32's own way.
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
  const std::uint32_t special = magnitude > 0x7F800000U ? 0x7E00U : 0x7C00U;
  const std::uint32_t finite = magnitude < rebias + (1U << 23) ? subnormal : normal;
  return static_cast<std::uint16_t>(sign | (magnitude >= (127U + 16U) << 23 ? special : finite));
}

// Subnormals, infinities and NaNs included; a NaN keeps its payload.
inline float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7FFFU) << 13;  // exponent and fraction where f32 has them
  const std::uint32_t exponent = magnitude & (0x1FU << 23);
  const std::uint32_t rebias = (127U - 15U) << 23;
  // All ones stay all ones: adding one to that exponent carries into bit 28, and to no other.
  const std::uint32_t is_special = 0U - ((exponent + (1U << 23)) >> 28);
  const std::uint32_t normal = magnitude + rebias + (rebias & is_special);
  // A subnormal is fraction * 2^-24: put the fraction behind a leading one, then take that one away again.
  const std::uint32_t leading_one = rebias + (1U << 23);  // 2^-14 as f32
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + leading_one) - std::bit_cast<float>(leading_one));
  // Masks from arithmetic, not from comparisons: of those, compilers make branches, and no vector code.
  const std::uint32_t is_subnormal = 0U - ((exponent - 1) >> 31);
  return std::bit_cast<float>((subnormal & is_subnormal) | (normal & ~is_subnormal) |
                              (static_cast<std::uint32_t>(bits & 0x8000U) << 16));
}

}  // namespace rerank
