// The typed wrappers hand on what they were given.
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

struct Cols;
struct Double;

constexpr std::size_t kRows = 5, kIn = 48, kOut = 128;

struct Fixture {
  Fixture(const KernelTable& table, Element element)
      : ops(table, element),
        x_tiles(testing::tiles_of(table, testing::random_values(kRows * kIn, 1, true), kRows, kIn, ops.activations())),
        w(testing::packed(testing::random_values(kOut * kIn, 2, true), testing::random_values(kOut, 3, true), kOut, kIn,
                          element)),
        scratch(testing::buffer(linear_scratch_floats() * sizeof(float))) {}
  Tiles<Hidden> x() const { return {x_tiles.data(), kRows, round_up(kIn, kPanel), ops.activations()}; }
  Ops ops;
  mutable AlignedBuffer x_tiles;
  Weight<Double, Hidden> w;
  AlignedBuffer scratch;
};

TEST(Ops, StretchesOfOutputsGiveTheSameBitsAsTheWhole) {
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : {Element::kF32, Element::kBf16}) {
      Fixture f(*level->table, element);
      AlignedBuffer memory = testing::buffer(2 * kRowBlock * kOut * sizeof(float));
      const Acts<Double> whole{memory.as<float>(), kRows, kOut, kOut};
      const Acts<Double> part{memory.as<float>() + kRowBlock * kOut, kRows, 2 * kPanel, 2 * kPanel};
      f.ops.linear(f.x(), f.w, Activation::kNone, whole, f.scratch.as<float>());
      f.ops.linear_panels(f.x(), f.w, 1, 2, part, f.scratch.as<float>());
      for (std::size_t r = 0; r < kRows; ++r)
        EXPECT_TRUE(std::ranges::equal(part.row(r), whole.row(r).subspan(kPanel, 2 * kPanel))) << level->name;
    }
}

TEST(Ops, AGatedProductIsTheGateOfItsHalves) {
  for (const Level* level : levels_on_this_cpu()) {
    Fixture f(*level->table, Element::kF32);
    AlignedBuffer memory = testing::buffer(kRowBlock * kOut * sizeof(float));
    AlignedBuffer gated = testing::buffer(kRowBlock * kOut / 2 * sizeof(float));
    const Acts<Double> sums{memory.as<float>(), kRows, kOut, kOut};
    f.ops.linear(f.x(), f.w, Activation::kNone, sums, f.scratch.as<float>());
    f.ops.linear_gated(f.x(), f.w, Activation::kSiluGate, Tiles<Cols>{gated.data(), kRows, kOut / 2, Element::kF32},
                       f.scratch.as<float>());
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t c = 0; c < kOut / 2; ++c) {
        const double gate = sums.row(r)[c / 16 * kPanel + c % 16], value = sums.row(r)[c / 16 * kPanel + 16 + c % 16];
        const double expected = gate / (1 + std::exp(-gate)) * value;
        ASSERT_NEAR(testing::tile_value(gated, kOut / 2, Element::kF32, r, c), expected, 1e-6 * std::fabs(expected))
            << level->name;
      }
  }
}

TEST(Ops, RmsNormGoesToTilesOrIsAdded) {
  const auto weight = testing::random_values(kIn, 4, false);
  const RmsNormWeights norm = RmsNormWeights::make(weight, 1e-6f).value();
  for (const Level* level : levels_on_this_cpu()) {
    const Ops ops(*level->table, Element::kF32);
    const std::size_t padded = round_up(kIn, kPanel);
    AlignedBuffer memory = testing::buffer(3 * kRowBlock * padded * sizeof(float));
    const Acts<Cols> x{memory.as<float>(), kRows, padded, padded};
    const Acts<Cols> to{memory.as<float>() + kRowBlock * padded, kRows, padded, padded};
    const auto values = testing::random_values(kRows * kIn, 5, false);
    for (std::size_t r = 0; r < kRows; ++r) std::copy_n(values.data() + r * kIn, kIn, x.row(r).data());
    AlignedBuffer tiles = testing::buffer(kRowBlock * padded * sizeof(float));
    ops.rms_norm(x, norm, Tiles<Cols>{tiles.data(), kRows, padded, Element::kF32});
    ops.rms_norm_add(x, norm, to, 0.5f);
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t c = 0; c < padded; ++c)
        ASSERT_EQ(to.row(r)[c], 0.5f * testing::tile_value(tiles, kIn, Element::kF32, r, c)) << level->name;
  }
}

}  // namespace
}  // namespace rerank::kernels
