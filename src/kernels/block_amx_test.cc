// The products on tile registers, with the registers and their instructions written out: what they compute can be
// tested on every CPU.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/test_support.h"

// Where a system header brought the real ones.
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#undef _tile_dpbusd

namespace rerank::kernels {
namespace {

#include "kernels/vec_scalar.h"
//
#include "kernels/common-inl.h"

// A register is 16 rows of 64 bytes; before _tile_loadconfig there are none.
struct TileRegisters {
  bool configured = false;
  alignas(kLineBytes) std::byte tiles[8][kTileBytes];
};
TileRegisters registers;

template <class T>
T& element(int tile, std::size_t row, std::size_t i) {
  return reinterpret_cast<T*>(registers.tiles[tile] + row * kLineBytes)[i];
}
void _tile_loadconfig(const void* config) {
  const auto* bytes = static_cast<const std::uint8_t*>(config);
  registers.configured = bytes[0] == 1;
  for (std::size_t tile = 0; tile < 8; ++tile) {
    EXPECT_EQ(bytes[16 + 2 * tile], kLineBytes);
    EXPECT_EQ(bytes[48 + tile], kTileRows);
  }
}
void _tile_release() {
  registers.configured = false;
}
void _tile_zero(int tile) {
  ASSERT_TRUE(registers.configured);
  std::memset(registers.tiles[tile], 0, kTileBytes);
}
void _tile_loadd(int tile, const void* from, std::size_t stride) {
  ASSERT_TRUE(registers.configured);
  for (std::size_t row = 0; row < kTileRows; ++row)
    std::memcpy(registers.tiles[tile] + row * kLineBytes, static_cast<const std::byte*>(from) + row * stride,
                kLineBytes);
}
void _tile_stored(int tile, void* to, std::size_t stride) {
  ASSERT_TRUE(registers.configured);
  for (std::size_t row = 0; row < kTileRows; ++row)
    std::memcpy(static_cast<std::byte*>(to) + row * stride, registers.tiles[tile] + row * kLineBytes, kLineBytes);
}
void _tile_dpbf16ps(int sums, int left, int right) {
  for (std::size_t m = 0; m < kTileRows; ++m)
    for (std::size_t n = 0; n < 16; ++n)
      for (std::size_t k = 0; k < 32; ++k)
        element<float>(sums, m, n) += bf16_to_f32(element<std::uint16_t>(left, m, k)) *
                                      bf16_to_f32(element<std::uint16_t>(right, k / 2, 2 * n + k % 2));
}
void _tile_dpbusd(int sums, int left, int right) {
  for (std::size_t m = 0; m < kTileRows; ++m)
    for (std::size_t n = 0; n < 16; ++n)
      for (std::size_t k = 0; k < 64; ++k)
        element<std::int32_t>(sums, m, n) +=
            element<std::uint8_t>(left, m, k) * element<std::int8_t>(right, k / 4, 4 * n + k % 4);
}

#include "kernels/block_amx-inl.h"

struct CountingWork {
  std::size_t times = 0;
  void some() { ++times; }
};

constexpr std::size_t kLines = 3;
// Rows of a block below a tile, one tile, between one and two, two.
constexpr std::size_t kRows[] = {1, 15, 16, 17, 31, 32};

// Two runs over halves of the inputs, the second of which adds to the sums of the first, as slices do.
template <Element kX>
std::vector<float> sums_of(const std::vector<std::byte>& tiles, const std::vector<std::byte>& panel, std::size_t rows) {
  AlignedBuffer left = testing::buffer(tiles.size()), right = testing::buffer(panel.size());
  std::copy(tiles.begin(), tiles.end(), left.data());
  std::copy(panel.begin(), panel.end(), right.data());
  std::vector<float> c(kRowBlock * kPanel);
  CountingWork work;
  begin_products();
  const Left first = left_of_tiles(left.data(), kLines, 0);
  Left second = first;
  second.data += kTileBytes;
  BlockProduct<kX>::run(first, rows, 1, WholePanel(right.data()), c.data(), kPanel, false, work);
  BlockProduct<kX>::run(second, rows, kLines - 1, WholePanel(right.data() + kPanelLineBytes), c.data(), kPanel, true,
                        work);
  end_products();
  EXPECT_EQ(work.times, kLines);
  EXPECT_FALSE(registers.configured);
  return c;
}

std::byte* at_of_tiles(std::vector<std::byte>& tiles, std::size_t row, std::size_t byte) {
  return line_of_tiles(tiles.data(), kLines, row, byte / kLineBytes) + byte % kLineBytes;
}

TEST(AmxBlock, IntegersAreSummedExactly) {
  for (const std::size_t rows : kRows) {
    std::vector<std::byte> tiles(2 * kLines * kTileBytes), panel(kLines * kPanelLineBytes);
    const auto x = [](std::size_t r, std::size_t k) { return static_cast<std::uint8_t>(r * 31 + k * 7 + r * k); };
    const auto w = [](std::size_t k, std::size_t j) { return static_cast<std::int8_t>(k * 5 + j * 11 + k * j); };
    for (std::size_t k = 0; k < kLines * 64; ++k) {
      for (std::size_t r = 0; r < rows; ++r) *at_of_tiles(tiles, r, k) = std::byte{x(r, k)};
      for (std::size_t j = 0; j < kPanel; ++j)
        panel[(k / 4 * kPanel + j) * 4 + k % 4] = static_cast<std::byte>(w(k, j));
    }
    const std::vector<float> c = sums_of<Element::kU8>(tiles, panel, rows);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t j = 0; j < kPanel; ++j) {
        std::int32_t expected = 0, got;
        for (std::size_t k = 0; k < kLines * 64; ++k) expected += x(r, k) * w(k, j);
        std::memcpy(&got, &c[r * kPanel + j], sizeof got);
        ASSERT_EQ(got, expected) << rows << " rows, at " << r << ',' << j;
      }
  }
}

TEST(AmxBlock, Bf16AgreesWithPlainLoops) {
  for (const std::size_t rows : kRows) {
    constexpr std::size_t kIn = kLines * 32;
    const std::vector<float> x = testing::random_values(rows * kIn, 1, true);
    const std::vector<float> w = testing::random_values(kIn * kPanel, 2, true);
    std::vector<std::byte> tiles(2 * kLines * kTileBytes), panel(kLines * kPanelLineBytes);
    for (std::size_t k = 0; k < kIn; ++k) {
      for (std::size_t r = 0; r < rows; ++r) {
        const std::uint16_t bits = f32_to_bf16(x[r * kIn + k]);
        std::memcpy(at_of_tiles(tiles, r, 2 * k), &bits, sizeof bits);
      }
      for (std::size_t j = 0; j < kPanel; ++j) {
        const std::uint16_t bits = f32_to_bf16(w[k * kPanel + j]);
        std::memcpy(panel.data() + ((k / 2 * kPanel + j) * 2 + k % 2) * sizeof bits, &bits, sizeof bits);
      }
    }
    const std::vector<float> c = sums_of<Element::kBf16>(tiles, panel, rows);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t j = 0; j < kPanel; ++j) {
        double expected = 0;
        for (std::size_t k = 0; k < kIn; ++k) expected += double{x[r * kIn + k]} * double{w[k * kPanel + j]};
        ASSERT_NEAR(c[r * kPanel + j], expected, 1e-4) << rows << " rows, at " << r << ',' << j;
      }
  }
}

}  // namespace
}  // namespace rerank::kernels
