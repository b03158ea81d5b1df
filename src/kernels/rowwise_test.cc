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

struct RmsNormCase {
  RmsNormCase(std::size_t rows, std::size_t cols)
      : x(random_values(rows * cols, 1, false, 3)),
        weight(random_values(cols, 2, false)),
        padded(round_up(cols, kPanel)),
        rows_f32(buffer(rows * padded * sizeof(float))),
        parameters(buffer(padded * sizeof(float))) {
    for (std::size_t r = 0; r < rows; ++r) std::copy_n(x.data() + r * cols, cols, rows_f32.as<float>() + r * padded);
    std::copy_n(weight.data(), cols, parameters.as<float>());
  }
  std::vector<float> x, weight;
  std::size_t padded;
  AlignedBuffer rows_f32, parameters;
};

TEST(RmsNorm, EveryLevelAgreesWithTheReference) {
  for (const Level* level : levels_on_this_cpu())
    for (const std::size_t cols : {1u, 7u, 32u, 96u, 312u, 1024u})
      for (const Element element : testing::elements_of(*level->table)) {
        const std::size_t rows = 18;
        const RmsNormCase c(rows, cols);
        const auto expected = reference::rms_norm(c.x, c.weight, rows, cols, 1e-5);
        AlignedBuffer tiles = buffer(kRowBlock * c.padded * size_of(element));
        level->table->rms_norm({c.rows_f32.as<float>(), c.parameters.as<float>(), rows, cols, c.padded, 1e-5f,
                                tiles.data(), element, nullptr, 0});
        for (std::size_t r = 0; r < rows; ++r)
          for (std::size_t i = 0; i < c.padded; ++i) {
            const float value = testing::tile_value(tiles, cols, element, r, i);
            if (i >= cols) {
              ASSERT_EQ(value, 0.0f) << "padding must be zero: " << level->name;
            } else {
              const double e = expected[r * cols + i];
              ASSERT_NEAR(value, e, (element == Element::kF32 ? 1e-6 : 0x1p-8) * std::fabs(e)) << level->name;
              ASSERT_EQ(c.rows_f32.as<float>()[r * c.padded + i], c.x[r * cols + i]) << "x must stay: " << level->name;
            }
          }
      }
}

TEST(RmsNorm, AddsToWhatIsThere) {
  const std::size_t rows = 3, cols = 70;
  for (const Level* level : levels_on_this_cpu())
    for (const float scale : {1.0f, 0.25f}) {
      const RmsNormCase c(rows, cols);
      const auto expected = reference::rms_norm(c.x, c.weight, rows, cols, 1e-6);
      AlignedBuffer to = buffer(rows * c.padded * sizeof(float));
      for (std::size_t i = 0; i < rows * c.padded; ++i) to.as<float>()[i] = 2;
      level->table->rms_norm({c.rows_f32.as<float>(), c.parameters.as<float>(), rows, cols, c.padded, 1e-6f, nullptr,
                              Element::kF32, to.as<float>(), c.padded, scale});
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t i = 0; i < cols; ++i)
          ASSERT_NEAR(to.as<float>()[r * c.padded + i], 2 + double{scale} * expected[r * cols + i], 3e-6)
              << level->name << " scale " << scale;
    }
}

TEST(RmsNorm, ARowDoesNotDependOnItsNeighbours) {
  const std::size_t rows = 20, cols = 100;
  const RmsNormCase c(rows, cols);
  for (const Level* level : levels_on_this_cpu()) {
    AlignedBuffer together = buffer(kRowBlock * c.padded * sizeof(float));
    AlignedBuffer alone = buffer(kRowBlock * c.padded * sizeof(float));
    const auto run = [&](std::size_t first, std::size_t count, AlignedBuffer& tiles) {
      level->table->rms_norm({c.rows_f32.as<float>() + first * c.padded, c.parameters.as<float>(), count, cols,
                              c.padded, 1e-5f, tiles.data(), Element::kF32, nullptr, 0});
    };
    run(0, rows, together);
    for (std::size_t r = 0; r < rows; ++r) {
      run(r, 1, alone);
      for (std::size_t i = 0; i < cols; ++i)
        ASSERT_EQ(testing::tile_value(alone, cols, Element::kF32, 0, i),
                  testing::tile_value(together, cols, Element::kF32, r, i))
            << level->name;
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
