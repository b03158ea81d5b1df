// The typed wrappers hand on what they were given.
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

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

TEST(Ops, IntegerLayersGiveTheSameBitsWithATeam) {
  constexpr std::size_t kMany = 70;
  for (const Level* level : levels_on_this_cpu()) {
    const Ops ops(*level->table, Element::kBf16, true);
    ASSERT_EQ(ops.layer_inputs(), Element::kU8);
    const auto values = testing::random_values(kMany * kIn, 1, true),
               weights = testing::random_values(kOut * kIn, 2, true);
    AlignedBuffer tiles = testing::tiles_of(*level->table, values, kMany, kIn, ops.activations());
    const Tiles<Hidden> x{tiles.data(), kMany, round_up(kIn, kPanel), ops.activations()};
    const auto row = [&](std::size_t r, std::span<float> to) { std::copy_n(&weights[r * kIn], kIn, to.begin()); };
    const Weight<Double, Hidden> w(
        PackedWeight::pack_w8a8(kOut, kIn, PackedWeight::RowReader(row), {}, 1, "test").value());
    Workspace workspace;
    ASSERT_TRUE(workspace.reserve(std::size_t{1} << 20).ok());
    AlignedBuffer scratch = testing::buffer(2 * linear_scratch_floats() * sizeof(float));
    Carver carver = workspace.carve();
    const Acts<Double> alone = carve_acts<Double>(carver, kMany, kOut),
                       together = carve_acts<Double>(carver, kMany, kOut);
    const Integers room = carve_integers(carver, kMany, kIn);
    ops.linear(ops.layer_input(x, room), w, Activation::kNone, alone, scratch.as<float>());
    Team team(2);
    std::thread helper([&team] { team.help(1); });
    const Ops shared = ops.on(&team);
    shared.linear(shared.layer_input(x, room), w, Activation::kNone, together, scratch.as<float>());
    team.finish();
    helper.join();
    for (std::size_t r = 0; r < kMany; ++r)
      ASSERT_TRUE(std::ranges::equal(alone.row(r), together.row(r))) << level->name << " row " << r;
  }
}

TEST(Ops, ACopiedRowOfTilesIsThatRow) {
  const KernelTable& table = *levels_on_this_cpu().front()->table;
  constexpr std::size_t kMany = 20;
  AlignedBuffer tiles =
      testing::tiles_of(table, testing::random_values(kMany * kIn, 1, true), kMany, kIn, Element::kF32);
  AlignedBuffer few = testing::buffer(kRowBlock * round_up(kIn, kPanel) * sizeof(float));
  const Tiles<Hidden> x{tiles.data(), kMany, round_up(kIn, kPanel), Element::kF32}, y{few.data(), 2, x.cols, x.element};
  copy_tiles_row(x, 17, y, 1);
  for (std::size_t c = 0; c < kIn; ++c)
    EXPECT_EQ(testing::tile_value(few, kIn, Element::kF32, 1, c),
              testing::tile_value(tiles, kIn, Element::kF32, 17, c));
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
