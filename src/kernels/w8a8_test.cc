// Products of 8-bit integers: exact sums, so that every level gives the bits of three plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/ops.h"
#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::random_values;
using testing::Shape;

// Below a line, between blocks, more than one slice of `in`, more rows than one pass.
constexpr Shape kShapes[] = {{1, 1, 1},    {3, 17, 1},     {8, 33, 65},    {16, 384, 96},
                             {17, 64, 32}, {33, 130, 100}, {40, 2100, 70}, {530, 96, 40}};

PackedWeight packed_w8a8(const std::vector<float>& w, const std::vector<float>& bias, const Shape& s) {
  const auto row = [&](std::size_t r, std::span<float> values) {
    std::copy_n(w.begin() + static_cast<std::ptrdiff_t>(r * s.in), s.in, values.begin());
  };
  return PackedWeight::pack_w8a8(s.out, s.in, PackedWeight::RowReader(row), bias, 2, "test").value();
}

// A matrix [rows, cols] as integers with a scale a row, by the plain formula.
struct PlainIntegers {
  std::vector<int> values;
  std::vector<float> scales;
  std::vector<std::vector<std::size_t>> outliers;  // of each row, the columns
};
enum class Outliers : bool { kStay, kGo };
PlainIntegers integers_of(const std::vector<float>& x, std::size_t rows, std::size_t cols, Outliers outliers) {
  PlainIntegers integers{std::vector<int>(rows * cols), std::vector<float>(rows), {}};
  for (std::size_t r = 0; r < rows; ++r) {
    const auto magnitude = [&](std::size_t c) { return std::fabs(x[r * cols + c]); };
    double total = 0;
    std::vector<std::size_t> order(cols);
    for (std::size_t c = 0; c < cols; ++c) {
      total += magnitude(c);
      order[c] = c;
    }
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return magnitude(a) > magnitude(b); });
    std::size_t count = 0;
    if (outliers == Outliers::kGo)
      while (count < std::min(cols, kMostOutliers) &&
             magnitude(order[count]) > total / static_cast<double>(round_up(cols, kPanel)) * kOutlierOverMean)
        ++count;
    integers.outliers.emplace_back(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
    std::sort(integers.outliers.back().begin(), integers.outliers.back().end());
    const float largest = count < cols ? magnitude(order[count]) : 0.0f;
    if (largest == 0) continue;
    integers.scales[r] = largest / 127;
    const float inverse = 127 / largest;
    for (std::size_t i = count; i < cols; ++i)
      integers.values[r * cols + order[i]] = static_cast<int>(std::nearbyint(x[r * cols + order[i]] * inverse));
  }
  return integers;
}

struct U8Tiles {
  AlignedBuffer tiles, rows;
  const IntegerRow& row(std::size_t r) const { return rows.as<IntegerRow>()[r]; }
  std::uint8_t at(std::size_t cols, std::size_t r, std::size_t c) const {
    const std::size_t tiles_per_row = round_up(cols, kLineBytes) / kLineBytes;
    const std::byte* line =
        tiles.data() + (r / kTileRows * tiles_per_row + c / kLineBytes) * kTileBytes + r % kTileRows * kLineBytes;
    return static_cast<std::uint8_t>(line[c % kLineBytes]);
  }
};
U8Tiles quantized(const KernelTable& table, const std::vector<float>& x, std::size_t rows, std::size_t cols,
                  Element element) {
  const AlignedBuffer tiles = testing::tiles_of(table, x, rows, cols, element);
  U8Tiles result{buffer(round_up(rows, kRowBlock) * round_up(cols, kLineBytes)), buffer(rows * sizeof(IntegerRow))};
  table.quantize_rows(tiles.data(), rows, round_up(cols, kPanel), element, result.tiles.data(),
                      result.rows.as<IntegerRow>());
  return result;
}

struct Case {
  std::vector<float> x, w, bias;
};
Case random_case(const Shape& s) {
  const unsigned seed = static_cast<unsigned>(s.rows * 31 + s.in * 7 + s.out);
  return {random_values(s.rows * s.in, seed, true), random_values(s.out * s.in, seed + 1, true, 0.2f),
          random_values(s.out, seed + 2, false)};
}

// [rows, out]: exact sums, scaled, and the bias added.
std::vector<float> expected_of(const Case& c, const Shape& s) {
  const PlainIntegers x = integers_of(c.x, s.rows, s.in, Outliers::kGo),
                      w = integers_of(c.w, s.out, s.in, Outliers::kStay);
  std::vector<float> y(s.rows * s.out);
  for (std::size_t r = 0; r < s.rows; ++r)
    for (std::size_t o = 0; o < s.out; ++o) {
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < s.in; ++i) sum += std::int64_t{x.values[r * s.in + i]} * w.values[o * s.in + i];
      float value = static_cast<float>(sum) * (x.scales[r] * w.scales[o]), apart = 0;
      for (const std::size_t column : x.outliers[r])
        apart += c.x[r * s.in + column] * static_cast<float>(w.values[o * s.in + column]);
      if (!x.outliers[r].empty()) value += apart * w.scales[o];
      y[r * s.out + o] = value + c.bias[o];
    }
  return y;
}

struct Run {
  Activation activation = Activation::kNone;
  Store store = Store::kRows;
  Element element = Element::kF32;  // of the result
  std::size_t first_panel = 0, end_panel = 0;
};
AlignedBuffer run(const KernelTable& table, const Case& c, const Shape& s, const Run& how) {
  const Element element = table.native_bf16 ? Element::kBf16 : Element::kF32;
  const U8Tiles x = quantized(table, c.x, s.rows, s.in, element);
  const PackedWeight w = packed_w8a8(c.w, c.bias, s);
  AlignedBuffer y = buffer(round_up(s.rows, kRowBlock) * w.out() * sizeof(float));
  AlignedBuffer scratch = buffer(linear_scratch_floats() * sizeof(float));
  LinearArgs args{x.tiles.data(), w.panels(),     w.bias(),  y.data(),           s.rows,
                  w.in(),         w.out(),        w.out(),   Element::kU8,       w.format(),
                  how.element,    how.activation, how.store, scratch.as<float>()};
  args.first_panel = how.first_panel;
  args.end_panel = how.end_panel;
  args.x_rows = x.rows.as<IntegerRow>();
  table.linear(args);
  return y;
}

TEST(W8A8, RowsBecomeTheIntegersOfTheFormula) {
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : testing::elements_of(*level->table))
      for (const std::size_t cols : {1u, 31u, 64u, 100u, 1030u}) {
        constexpr std::size_t kRows = 35;
        std::vector<float> x = random_values(kRows * cols, static_cast<unsigned>(cols), true);
        std::fill_n(x.begin(), cols, 0.0f);  // a row of zeros
        const PlainIntegers expected = integers_of(x, kRows, cols, Outliers::kGo);
        const U8Tiles got = quantized(*level->table, x, kRows, cols, element);
        for (std::size_t r = 0; r < kRows; ++r) {
          ASSERT_EQ(got.row(r).scale, expected.scales[r]) << level->name << " row " << r;
          for (std::size_t c = 0; c < round_up(cols, kLineBytes); ++c)
            ASSERT_EQ(int{got.at(cols, r, c)} - 128, c < cols ? expected.values[r * cols + c] : 0)
                << level->name << ' ' << r << ',' << c;
        }
      }
}

TEST(W8A8, ARowThatIsNotFiniteHasSuchAScaleAndNoOtherRowHas) {
  for (const Level* level : levels_on_this_cpu())
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
      for (const std::size_t at : {0u, 15u, 69u}) {
        constexpr std::size_t kCols = 70;
        std::vector<float> x = random_values(3 * kCols, 5, true);
        x[kCols + at] = bad;
        const U8Tiles got = quantized(*level->table, x, 3, kCols, Element::kF32);
        EXPECT_TRUE(std::isfinite(got.row(0).scale)) << level->name;
        EXPECT_FALSE(std::isfinite(got.row(1).scale)) << level->name;
        EXPECT_TRUE(std::isfinite(got.row(2).scale)) << level->name;
      }
}

// The norms round their rows themselves: to what quantize_rows() makes of the same numbers.
void expect_integers_of(const KernelTable& table, const AlignedBuffer& f32_tiles, const U8Tiles& got, std::size_t rows,
                        std::size_t cols) {
  U8Tiles expected{buffer(round_up(rows, kRowBlock) * round_up(cols, kLineBytes)), buffer(rows * sizeof(IntegerRow))};
  table.quantize_rows(f32_tiles.data(), rows, round_up(cols, kPanel), Element::kF32, expected.tiles.data(),
                      expected.rows.as<IntegerRow>());
  for (std::size_t r = 0; r < rows; ++r) {
    ASSERT_EQ(got.row(r).scale, expected.row(r).scale) << "row " << r;
    for (std::size_t c = 0; c < round_up(cols, kLineBytes); ++c)
      ASSERT_EQ(got.at(cols, r, c), expected.at(cols, r, c)) << r << ',' << c;
  }
}

TEST(W8A8, NormsGiveTheIntegersOfTheirRows) {
  constexpr std::size_t kRows = 19;
  for (const Level* level : levels_on_this_cpu())
    for (const std::size_t cols : {1u, 33u, 96u, 312u}) {
      SCOPED_TRACE(level->name);
      const KernelTable& table = *level->table;
      const std::size_t padded = round_up(cols, kPanel);
      const auto x = random_values(kRows * cols, 1, false, 3), parameters = random_values(2 * cols, 2, false);
      const auto rows_of = [&] {
        AlignedBuffer rows = buffer(kRows * padded * sizeof(float));
        for (std::size_t r = 0; r < kRows; ++r) std::copy_n(x.data() + r * cols, cols, rows.as<float>() + r * padded);
        return rows;
      };
      AlignedBuffer weight = buffer(2 * padded * sizeof(float));
      float* const bias = weight.as<float>() + padded;
      std::copy_n(parameters.data(), cols, weight.as<float>());
      std::copy_n(parameters.data() + cols, cols, bias);
      AlignedBuffer f32 = buffer(kRowBlock * padded * sizeof(float)), first = rows_of(), second = rows_of();
      U8Tiles u8{buffer(kRowBlock * round_up(cols, kLineBytes)), buffer(kRows * sizeof(IntegerRow))};

      table.layer_norm(
          {first.as<float>(), weight.as<float>(), bias, f32.data(), kRows, cols, padded, 1e-5f, Element::kF32});
      table.layer_norm({second.as<float>(), weight.as<float>(), bias, u8.tiles.data(), kRows, cols, padded, 1e-5f,
                        Element::kU8, u8.rows.as<IntegerRow>()});
      expect_integers_of(table, f32, u8, kRows, cols);
      EXPECT_TRUE(std::equal(first.as<float>(), first.as<float>() + kRows * padded, second.as<float>()));

      const AlignedBuffer rows = rows_of();
      table.rms_norm(
          {rows.as<float>(), weight.as<float>(), kRows, cols, padded, 1e-5f, f32.data(), Element::kF32, nullptr, 0});
      table.rms_norm({rows.as<float>(), weight.as<float>(), kRows, cols, padded, 1e-5f, u8.tiles.data(), Element::kU8,
                      nullptr, 0, 1, u8.rows.as<IntegerRow>()});
      expect_integers_of(table, f32, u8, kRows, cols);
    }
}

// Magnitudes of which no float holds 127 over.
TEST(W8A8, RowsNextToZeroAreZeros) {
  for (const Level* level : levels_on_this_cpu()) {
    const U8Tiles got = quantized(*level->table, std::vector<float>(40, 1e-38f), 1, 40, Element::kF32);
    EXPECT_EQ(got.row(0).scale, 0.0f) << level->name;
    for (std::size_t c = 0; c < 64; ++c) EXPECT_EQ(got.at(40, 0, c), 128) << level->name;
  }
  const Shape s{1, 40, 1};
  const PackedWeight w = packed_w8a8(std::vector<float>(40, 1e-38f), {}, s);
  std::vector<float> row(40, 1.0f);
  w.unpack_row(0, row);
  EXPECT_EQ(row, std::vector<float>(40, 0.0f));
}

TEST(W8A8, EveryLevelGivesTheBitsOfTheFormula) {
  for (const Shape& s : kShapes) {
    const Case c = random_case(s);
    const std::vector<float> expected = expected_of(c, s);
    for (const Level* level : levels_on_this_cpu()) {
      const AlignedBuffer y = run(*level->table, c, s, {});
      for (std::size_t r = 0; r < s.rows; ++r)
        for (std::size_t o = 0; o < s.out; ++o)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(y.as<float>()[r * round_up(s.out, kPanel) + o]),
                    std::bit_cast<std::uint32_t>(expected[r * s.out + o]))
              << level->name << " rows " << s.rows << " in " << s.in << " out " << s.out << " at " << r << ',' << o;
    }
  }
}

// The largest sums there are: every input and every weight at the end of its range.
TEST(W8A8, SumsDoNotSaturate) {
  const Shape s{9, kMostW8A8Inputs, 1};
  for (const float sign : {1.0f, -1.0f}) {
    const Case c{std::vector<float>(s.rows * s.in, 2.0f), std::vector<float>(s.in, sign * 3.0f), {0.0f}};
    for (const Level* level : levels_on_this_cpu()) {
      const AlignedBuffer y = run(*level->table, c, s, {});
      for (std::size_t r = 0; r < s.rows; ++r)
        ASSERT_NEAR(y.as<float>()[r * kPanel], sign * 6.0f * static_cast<float>(s.in), 0.1f) << level->name;
    }
  }
}

// A row's few large numbers do not take the steps of the others, and are not rounded themselves.
TEST(W8A8, OutliersStandApart) {
  const Shape s{21, 384, 70};
  Case c = random_case(s);
  constexpr std::size_t kColumns[] = {5, 63, 64, 100, 101, 200, 300, 301, 383};
  for (std::size_t r = 1; r < s.rows; ++r)  // of row r the first r / 2, up to two more than there is room for
    for (std::size_t i = 0; i < std::min(std::size(kColumns), r / 2); ++i)
      c.x[r * s.in + kColumns[i]] = (r % 2 == 0 ? 100.0f : -100.0f) + static_cast<float>(i * 7 % 4);
  const std::vector<float> expected = expected_of(c, s);
  const auto exact = reference::linear(c.x, c.w, c.bias, s.rows, s.in, s.out, Activation::kNone);
  for (const Level* level : levels_on_this_cpu()) {
    SCOPED_TRACE(level->name);
    const U8Tiles x = quantized(*level->table, c.x, s.rows, s.in, Element::kF32);
    const PlainIntegers integers = integers_of(c.x, s.rows, s.in, Outliers::kGo);
    for (std::size_t r = 0; r < s.rows; ++r) {
      const IntegerRow& row = x.row(r);
      ASSERT_EQ(row.outliers, std::min({r / 2, kMostOutliers, std::size(kColumns)})) << "row " << r;
      for (std::size_t o = 0; o < row.outliers; ++o) {
        ASSERT_EQ(row.columns[o], integers.outliers[r][o]);
        ASSERT_EQ(row.values[o], c.x[r * s.in + row.columns[o]]);
        ASSERT_EQ(x.at(s.in, r, row.columns[o]), 128);
      }
    }
    const AlignedBuffer y = run(*level->table, c, s, {});
    double errors = 0, squares = 0;
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t o = 0; o < s.out; ++o) {
        const float got = y.as<float>()[r * round_up(s.out, kPanel) + o];
        ASSERT_EQ(got, expected[r * s.out + o]) << r << ',' << o;
        if (r / 2 > kMostOutliers) continue;  // too many
        errors += std::pow(got - exact[r * s.out + o].value, 2);
        squares += std::pow(exact[r * s.out + o].value, 2);
      }
    EXPECT_LT(std::sqrt(errors / squares), 0.015);
  }
}

TEST(W8A8, IsCloseToTheProductOfTheNumbers) {
  const Shape s{20, 512, 64};
  const Case c = random_case(s);
  const auto exact = reference::linear(c.x, c.w, c.bias, s.rows, s.in, s.out, Activation::kNone);
  const AlignedBuffer y = run(*levels_on_this_cpu().front()->table, c, s, {});
  double errors = 0, squares = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    errors += std::pow(y.as<float>()[i] - exact[i].value, 2);
    squares += exact[i].value * exact[i].value;
  }
  EXPECT_LT(std::sqrt(errors / squares), 0.015);
  EXPECT_GT(errors, 0.0);
}

TEST(W8A8, TilesAndPartsHoldTheSameValuesAsRows) {
  const Shape s{37, 70, 150};
  const Case c = random_case(s);
  constexpr std::size_t kOut = 160;
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer rows = run(*level->table, c, s, {.activation = Activation::kRelu});
    for (const Element element : testing::elements_of(*level->table)) {
      const AlignedBuffer tiles =
          run(*level->table, c, s, {.activation = Activation::kRelu, .store = Store::kTiles, .element = element});
      const AlignedBuffer part = run(
          *level->table, c, s, {.activation = Activation::kRelu, .element = element, .first_panel = 1, .end_panel = 3});
      for (std::size_t r = 0; r < s.rows; ++r)
        for (std::size_t o = 0; o < s.out; ++o) {
          const float value = rows.as<float>()[r * kOut + o];
          const std::uint16_t bits = f32_to_bf16(value);
          const bool f32 = element == Element::kF32, in_part = o >= kPanel && o < 3 * kPanel;
          ASSERT_EQ(testing::tile_value(tiles, s.out, element, r, o), f32 ? value : bf16_to_f32(bits)) << level->name;
          if (f32) {
            ASSERT_EQ(part.as<float>()[r * kOut + o], in_part ? value : 0.0f) << level->name;
          } else {
            ASSERT_EQ(part.as<std::uint16_t>()[r * kOut + o], in_part ? bits : 0) << level->name;
          }
        }
    }
  }
}

TEST(W8A8, GatesMultiplyTheirValues) {
  const Shape s{18, 100, 128};
  const Case c = random_case(s);
  const std::vector<float> sums = expected_of(c, s);
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer y = run(*level->table, c, s, {.activation = Activation::kSiluGate, .store = Store::kTiles});
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t o = 0; o < s.out / 2; ++o) {
        const std::size_t gate = r * s.out + o / 16 * kPanel + o % 16;
        const double expected = reference::activate(sums[gate], Activation::kSiluGate) * double{sums[gate + 16]};
        ASSERT_NEAR(testing::tile_value(y, s.out / 2, Element::kF32, r, o), expected, 1e-5 * (1 + std::fabs(expected)))
            << level->name;
      }
  }
}

TEST(W8A8, AddRowsAddsToWhatIsThere) {
  const Shape s{5, 40, 33};
  const Case c = random_case(s);
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer plain = run(*level->table, c, s, {}),
                        added = run(*level->table, c, s, {.store = Store::kAddRows});
    for (std::size_t i = 0; i < s.rows * 64; ++i) ASSERT_EQ(added.as<float>()[i], plain.as<float>()[i]) << level->name;
  }
}

TEST(W8A8, AWeightIsWithinHalfAStepOfWhatItWas) {
  const Shape s{1, 77, 40};
  const std::vector<float> w = random_values(s.out * s.in, 3, false);
  const PackedWeight packed = packed_w8a8(w, {}, s);
  std::vector<float> row(s.in);
  for (std::size_t o = 0; o < s.out; ++o) {
    packed.unpack_row(o, row);
    float largest = 0;
    for (std::size_t i = 0; i < s.in; ++i) largest = std::max(largest, std::fabs(w[o * s.in + i]));
    for (std::size_t i = 0; i < s.in; ++i)
      ASSERT_LE(std::fabs(row[i] - w[o * s.in + i]), largest / 127 * 0.5001f) << o << ',' << i;
  }
}

TEST(W8A8, AWeightThatIsNotFiniteMakesItsOutputsSo) {
  const Shape s{4, 50, 33};
  Case c = random_case(s);
  c.w[7 * s.in + 49] = std::numeric_limits<float>::quiet_NaN();
  for (const Level* level : levels_on_this_cpu()) {
    const AlignedBuffer y = run(*level->table, c, s, {});
    for (std::size_t r = 0; r < s.rows; ++r)
      for (std::size_t o = 0; o < s.out; ++o)
        ASSERT_EQ(std::isfinite(y.as<float>()[r * 64 + o]), o != 7) << level->name << ' ' << r << ',' << o;
  }
}

// From integers with scales of their own, as a quantized checkpoint has them: the same as from the numbers they are.
TEST(W8A8, PacksOtherIntegersAsTheirNumbers) {
  const Shape s{1, 200, 40};
  const auto value = [](std::size_t o, std::size_t k) { return static_cast<std::uint8_t>((o * 7 + k * 13) % 200); };
  const auto scale = [](std::size_t o, std::size_t k) { return 0.25f + static_cast<float>((o + k / kGroup) % 3); };
  const auto panels = [&](std::size_t panel, const PackedWeight::QuantizedPanel& to) {
    for (std::size_t j = 0; j < std::min(kPanel, s.out - panel * kPanel); ++j)
      for (std::size_t k = 0; k < s.in; ++k) {
        to.values[k * kPanel + j] = value(panel * kPanel + j, k);
        to.scales[k / kGroup * kPanel + j] = scale(panel * kPanel + j, k);
        to.zeros[k / kGroup * kPanel + j] = 100;
      }
  };
  std::vector<float> w;
  for (std::size_t o = 0; o < s.out; ++o)
    for (std::size_t k = 0; k < s.in; ++k) w.push_back(static_cast<float>(value(o, k) - 100) * scale(o, k));
  const PackedWeight of_integers =
      PackedWeight::pack_w8a8(s.out, s.in, PackedWeight::QuantizedReader(panels), {}, 2, "test").value();
  const PackedWeight of_numbers = packed_w8a8(w, {}, s);
  std::vector<float> got(s.in), expected(s.in);
  for (std::size_t o = 0; o < s.out; ++o) {
    of_integers.unpack_row(o, got);
    of_numbers.unpack_row(o, expected);
    ASSERT_EQ(got, expected) << "output " << o;
  }
}

}  // namespace
}  // namespace rerank::kernels
