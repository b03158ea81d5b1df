// Every level against the reference on odd shapes, every way of storing, and rows that do not know their neighbours.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::random_values;
using testing::Shape;

// Below a tile, between blocks, a slice of `in` more than one pass, more rows than one pass.
constexpr Shape kShapes[] = {{1, 1, 1},    {3, 17, 1},    {15, 33, 65},   {16, 384, 96},
                             {17, 64, 32}, {33, 31, 100}, {48, 1100, 70}, {300, 130, 40}};

struct Numerics {
  Element x, w;
};

std::vector<Numerics> numerics_of(const KernelTable& table) {
  std::vector<Numerics> all = {{Element::kF32, Element::kF32}, {Element::kF32, Element::kBf16}};
  if (table.native_bf16) all.push_back({Element::kBf16, Element::kBf16});
  return all;
}

struct Case {
  std::vector<float> x, w, bias;
};
Case random_case(const Shape& s) {
  const unsigned seed = static_cast<unsigned>(s.rows * 31 + s.in * 7 + s.out);
  return {random_values(s.rows * s.in, seed, true), random_values(s.out * s.in, seed + 1, true, 0.2f),
          random_values(s.out, seed + 2, false)};
}

// f32 rows [rows, out padded].
AlignedBuffer run_rows(const KernelTable& table, const Case& c, const Shape& s, Numerics n, Activation activation,
                       Store store = Store::kRows, float initial = 0, float add_scale = 1) {
  const AlignedBuffer x = testing::tiles_of(table, c.x, s.rows, s.in, n.x);
  const PackedWeight w = testing::packed(c.w, c.bias, s.out, s.in, n.w);
  AlignedBuffer y = buffer(round_up(s.rows, kRowBlock) * w.out() * sizeof(float));
  for (std::size_t i = 0; i < s.rows * w.out(); ++i) y.as<float>()[i] = initial;
  AlignedBuffer scratch = buffer(linear_scratch_floats() * sizeof(float));
  table.linear({x.data(), w.panels(), w.bias(), y.data(), s.rows, w.in(), w.out(), w.out(), n.x, w.format(),
                Element::kF32, activation, store, scratch.as<float>(), add_scale});
  return y;
}

TEST(Linear, EveryLevelAgreesWithTheReference) {
  for (const Level* level : levels_on_this_cpu())
    for (const Shape& s : kShapes)
      for (const Numerics n : numerics_of(*level->table)) {
        const Case c = random_case(s);
        const auto expected = reference::linear(c.x, c.w, c.bias, s.rows, s.in, s.out, Activation::kNone);
        const AlignedBuffer y = run_rows(*level->table, c, s, n, Activation::kNone);
        for (std::size_t r = 0; r < s.rows; ++r)
          for (std::size_t o = 0; o < s.out; ++o) {
            const auto& e = expected[r * s.out + o];
            // Inputs are bf16 values in every case, so only the f32 sums round: at most one rounding a term.
            ASSERT_NEAR(y.as<float>()[r * round_up(s.out, kPanel) + o], e.value,
                        e.magnitude * double(s.in + 1) * 0x1p-23)
                << level->name << " rows " << s.rows << " in " << s.in << " out " << s.out << " at " << r << ',' << o;
          }
      }
}

TEST(Linear, ActivationsAgreeWithTheReference) {
  const Shape s{20, 40, 50};
  for (const Level* level : levels_on_this_cpu())
    for (const Activation activation : {Activation::kGelu, Activation::kRelu, Activation::kTanh}) {
      const Case c = random_case(s);
      const auto expected = reference::linear(c.x, c.w, c.bias, s.rows, s.in, s.out, activation);
      const AlignedBuffer y = run_rows(*level->table, c, s, {Element::kF32, Element::kF32}, activation);
      for (std::size_t r = 0; r < s.rows; ++r)
        for (std::size_t o = 0; o < s.out; ++o)
          ASSERT_NEAR(y.as<float>()[r * 64 + o], expected[r * s.out + o].value,
                      expected[r * s.out + o].magnitude * 1e-6)
              << level->name << " activation " << int(activation);
    }
}

// Far out, where 1 - erf would have lost everything, and at the borders of the polynomial.
TEST(Linear, GeluKeepsItsRelativeAccuracyInTheTails) {
  std::vector<float> x;
  for (float v = -12.5f; v < 12.5f; v += 0.0625f) x.push_back(v);
  const Shape s{x.size(), 1, 1};
  const Case c{x, {1.0f}, {0.0f}};
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer y = run_rows(*level->table, c, s, {Element::kF32, Element::kF32}, Activation::kGelu);
    for (std::size_t r = 0; r < s.rows; ++r) {
      const double expected = reference::activate(double{x[r]}, Activation::kGelu);
      ASSERT_NEAR(y.as<float>()[r * kPanel], expected, 2e-6 * std::fabs(expected) + 1e-30)
          << level->name << ' ' << x[r];
    }
  }
}

// Near 0 too, where 1 - e^x would have lost everything.
TEST(Linear, TanhKeepsItsRelativeAccuracy) {
  std::vector<float> x = {1e-30f, -1e-6f, 1e4f, -1e30f};
  for (float v = -10.5f; v < 10.5f; v += 0.03125f) x.push_back(v);
  const Shape s{x.size(), 1, 1};
  const Case c{x, {1.0f}, {0.0f}};
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer y = run_rows(*level->table, c, s, {Element::kF32, Element::kF32}, Activation::kTanh);
    for (std::size_t r = 0; r < s.rows; ++r)
      ASSERT_NEAR(y.as<float>()[r * kPanel], std::tanh(double{x[r]}), 5e-7 * std::fabs(std::tanh(double{x[r]})))
          << level->name << ' ' << x[r];
  }
}

// The shorter polynomial for bf16 results, before they are rounded: far below that rounding.
TEST(Linear, GeluForBf16IsCloserThanItsRounding) {
  std::vector<float> x;
  for (float v = -12.0f; v < 12.0f; v += 0.0625f) x.push_back(v);  // bf16 values
  const Shape s{x.size(), 1, 1};
  const Case c{x, {1.0f}, {0.0f}};
  for (const Level* level : levels_on_this_cpu()) {
    if (!level->table->native_bf16) continue;
    const AlignedBuffer y = run_rows(*level->table, c, s, {Element::kBf16, Element::kBf16}, Activation::kGelu);
    for (std::size_t r = 0; r < s.rows; ++r)
      ASSERT_NEAR(y.as<float>()[r * kPanel], reference::activate(double{x[r]}, Activation::kGelu), 8e-5)
          << level->name << ' ' << x[r];
  }
}

TEST(Linear, AddRowsAddsToWhatIsThere) {
  const Shape s{18, 40, 33};
  const Case c = random_case(s);
  for (const Level* level : levels_on_this_cpu()) {
    const Numerics n{Element::kF32, Element::kF32};
    const AlignedBuffer plain = run_rows(*level->table, c, s, n, Activation::kNone);
    const AlignedBuffer added = run_rows(*level->table, c, s, n, Activation::kNone, Store::kAddRows, 2.0f);
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t o = 0; o < s.out; ++o)
        ASSERT_EQ(added.as<float>()[r * 64 + o], 2.0f + plain.as<float>()[r * 64 + o]) << level->name;
  }
}

TEST(Linear, AddRowsScalesWhatItAdds) {
  const Shape s{18, 40, 33};
  const Case c = random_case(s);
  for (const Level* level : levels_on_this_cpu()) {
    const Numerics n{Element::kF32, Element::kF32};
    const AlignedBuffer plain = run_rows(*level->table, c, s, n, Activation::kNone);
    const AlignedBuffer added = run_rows(*level->table, c, s, n, Activation::kNone, Store::kAddRows, 2.0f, 0.3f);
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t o = 0; o < s.out; ++o) {
        const float value = plain.as<float>()[r * 64 + o];
        ASSERT_NEAR(added.as<float>()[r * 64 + o], 2 + double{0.3f} * double{value}, 1e-6 * (2 + std::fabs(value)))
            << level->name;
      }
  }
}

TEST(Linear, TilesHoldTheSameValuesAsRows) {
  const Shape s{37, 70, 90};
  const Case c = random_case(s);
  for (const Level* level : levels_on_this_cpu())
    for (const Numerics n : numerics_of(*level->table)) {
      const KernelTable& table = *level->table;
      const AlignedBuffer rows = run_rows(table, c, s, n, Activation::kGelu);
      const AlignedBuffer x = testing::tiles_of(table, c.x, s.rows, s.in, n.x);
      const PackedWeight w = testing::packed(c.w, c.bias, s.out, s.in, n.w);
      AlignedBuffer tiles = buffer(round_up(s.rows, kRowBlock) * w.out() * size_of(n.x));
      AlignedBuffer scratch = buffer(linear_scratch_floats() * sizeof(float));
      table.linear({x.data(), w.panels(), w.bias(), tiles.data(), s.rows, w.in(), w.out(), 0, n.x, w.format(), n.x,
                    Activation::kGelu, Store::kTiles, scratch.as<float>()});
      for (std::size_t r = 0; r < s.rows; ++r)
        for (std::size_t o = 0; o < s.out; ++o) {
          const float row_value = rows.as<float>()[r * w.out() + o];
          const float expected = n.x == Element::kF32 ? row_value : bf16_to_f32(f32_to_bf16(row_value));
          ASSERT_EQ(testing::tile_value(tiles, s.out, n.x, r, o), expected) << level->name << ' ' << r << ' ' << o;
        }
    }
}

// Rule 2 of the numbers: the same row gives the same bits alone, in the middle of others, and behind any number of
// them.
TEST(Linear, ARowDoesNotDependOnItsNeighbours) {
  const Shape all{75, 1100, 64};
  const Case c = random_case(all);
  for (const Level* level : levels_on_this_cpu())
    for (const Numerics n : numerics_of(*level->table)) {
      const AlignedBuffer together = run_rows(*level->table, c, all, n, Activation::kGelu);
      for (std::size_t r = 0; r < all.rows; r += 7) {
        Case alone = c;
        alone.x.assign(c.x.begin() + static_cast<std::ptrdiff_t>(r * all.in),
                       c.x.begin() + static_cast<std::ptrdiff_t>((r + 1) * all.in));
        const AlignedBuffer one = run_rows(*level->table, alone, {1, all.in, all.out}, n, Activation::kGelu);
        for (std::size_t o = 0; o < all.out; ++o)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(one.as<float>()[o]),
                    std::bit_cast<std::uint32_t>(together.as<float>()[r * all.out + o]))
              << level->name << " row " << r;
      }
    }
}

}  // namespace
}  // namespace rerank::kernels
