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

// Subnormals, infinities and NaNs included; a NaN keeps its payload.
inline float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7FFFU) << 13;  // exponent and fraction where f32 has them
  const std::uint32_t exponent = magnitude & (0x1FU << 23);
  const std::uint32_t rebias = (127U - 15U) << 23;
  const std::uint32_t normal = magnitude + rebias;
  const std::uint32_t special = magnitude + 2 * rebias;  // all ones must stay all ones
  // A subnormal is fraction * 2^-24: put the fraction behind a leading one, then take that one away again.
  const float offset = std::bit_cast<float>(rebias + (1U << 23));  // 2^-14
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(normal + (1U << 23)) - offset);
  const std::uint32_t unsigned_bits = exponent == 0 ? subnormal : exponent == (0x1FU << 23) ? special : normal;
  return std::bit_cast<float>(unsigned_bits | (static_cast<std::uint32_t>(bits & 0x8000U) << 16));
}

}  // namespace rerank
