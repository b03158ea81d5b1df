#include <gtest/gtest.h>

#include <cmath>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::random_values;

TEST(LayerNorm, EveryLevelAgreesWithTheReference) {
  for (const Level* level : levels_on_this_cpu())
    for (const std::size_t cols : {1u, 7u, 32u, 96u, 312u, 1024u}) {
      const std::size_t rows = 5, padded = round_up(cols, kPanel);
      const auto x = random_values(rows * cols, 1, false, 3), weight = random_values(cols, 2, false),
                 bias = random_values(cols, 3, false);
      const auto expected = reference::layer_norm(x, weight, bias, rows, cols, 1e-5);
      AlignedBuffer rows_f32 = buffer(rows * padded * sizeof(float)), parameters = buffer(2 * padded * sizeof(float));
      for (std::size_t r = 0; r < rows; ++r) std::copy_n(x.data() + r * cols, cols, rows_f32.as<float>() + r * padded);
      std::copy_n(weight.data(), cols, parameters.as<float>());
      std::copy_n(bias.data(), cols, parameters.as<float>() + padded);
      AlignedBuffer tiles = buffer(kRowBlock * padded * sizeof(float));
      level->table->layer_norm({rows_f32.as<float>(), parameters.as<float>(), parameters.as<float>() + padded,
                                tiles.data(), rows, cols, padded, 1e-5f, Element::kF32});
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < padded; ++c) {
          const float value = rows_f32.as<float>()[r * padded + c];
          ASSERT_EQ(testing::tile_value(tiles, cols, Element::kF32, r, c), value) << level->name;
          if (c < cols) {
            ASSERT_NEAR(value, expected[r * cols + c], 2e-5) << level->name << " cols " << cols;
          } else {
            ASSERT_EQ(value, 0.0f) << "padding must stay zero: " << level->name;
          }
        }
    }
}

TEST(ToTiles, Bf16RoundsToNearestEven) {
  const std::vector<float> x = {1.0f, 1.00390625f, 1.01171875f, -1.00390625f, 3.0e38f, 1e-40f};
  for (const Level* level : levels_on_this_cpu()) {
    if (!level->table->native_bf16) continue;
    const AlignedBuffer tiles = testing::tiles_of(*level->table, x, 1, x.size(), Element::kBf16);
    const float expected[] = {1.0f, 1.0f, 1.015625f, -1.0f};  // halfway goes to the even neighbour
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_EQ(testing::tile_value(tiles, x.size(), Element::kBf16, 0, i), expected[i]) << level->name << ' ' << i;
  }
}

}  // namespace
}  // namespace rerank::kernels
