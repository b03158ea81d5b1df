// Random matrices and layout helpers for the kernel tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/half.h"
#include "kernels/kernel_table.h"
#include "kernels/level.h"
#include "kernels/packed_weight.h"

namespace rerank::kernels::testing {

// Of a product: x [rows, in], weights [out, in].
struct Shape {
  std::size_t rows, in, out;
};

// Normal values; with `as_bf16` each is a bf16 value, so that both elements hold the same numbers exactly.
inline std::vector<float> random_values(std::size_t count, unsigned seed, bool as_bf16, float scale = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = as_bf16 ? bf16_to_f32(f32_to_bf16(normal(engine))) : normal(engine);
  return values;
}

inline AlignedBuffer buffer(std::size_t bytes) {
  return AlignedBuffer::allocate(bytes, "test").value();
}

inline AlignedBuffer tiles_of(const KernelTable& table, const std::vector<float>& x, std::size_t rows, std::size_t cols,
                              Element element) {
  AlignedBuffer tiles = buffer(round_up(rows, kRowBlock) * round_up(cols, kPanel) * size_of(element));
  table.to_tiles(x.data(), rows, cols, cols, element, tiles.data());
  return tiles;
}

inline float tile_value(const AlignedBuffer& tiles, std::size_t cols, Element element, std::size_t r, std::size_t c) {
  const std::size_t per_line = kLineBytes / size_of(element);
  const std::size_t tiles_per_row = round_up(cols, kPanel) / per_line;
  const std::byte* line =
      tiles.data() + (r / kTileRows * tiles_per_row + c / per_line) * kTileBytes + r % kTileRows * kLineBytes;
  if (element == Element::kF32) return reinterpret_cast<const float*>(line)[c % per_line];
  return bf16_to_f32(reinterpret_cast<const std::uint16_t*>(line)[c % per_line]);
}

inline PackedWeight packed(const std::vector<float>& w, const std::vector<float>& bias, std::size_t out, std::size_t in,
                           Element element) {
  const auto row = [&](std::size_t r, std::span<float> values) {
    std::memcpy(values.data(), w.data() + r * in, in * sizeof(float));
  };
  return PackedWeight::pack(out, in, element, row, bias, 2, "test").value();
}

// The elements that a level has products for.
inline std::vector<Element> elements_of(const KernelTable& table) {
  return table.native_bf16 ? std::vector{Element::kF32, Element::kBf16} : std::vector{Element::kF32};
}

// [positions, dim]: cosines, then sines, as a rotary embedding of base 10000.
inline std::vector<float> rotary_table(std::size_t positions, std::size_t dim) {
  std::vector<float> table(positions * dim);
  for (std::size_t p = 0; p < positions; ++p)
    for (std::size_t i = 0; i < dim / 2; ++i) {
      const double angle = double(p) * std::pow(10000.0, -2.0 * double(i) / double(dim));
      table[p * dim + i] = static_cast<float>(std::cos(angle));
      table[p * dim + dim / 2 + i] = static_cast<float>(std::sin(angle));
    }
  return table;
}

}  // namespace rerank::kernels::testing
