// Weights of integers: each is the number that its scale and zero make of it, and a product with them has the bits of
// the same product with those numbers, or is closer to it than bf16 weights are.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <string_view>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::random_values;
using testing::Shape;

// Below a group, part of a second one, groups in full, more than one slice; outputs that fill no panel.
constexpr Shape kShapes[] = {{1, 1, 1}, {3, 40, 33}, {17, 128, 32}, {5, 256, 96}, {40, 300, 70}, {2, 1188, 40}};
constexpr WeightFormat kFormats[] = {WeightFormat::kInt8, WeightFormat::kInt4};

struct Quantized {
  std::size_t out, in;
  WeightFormat format;
  std::vector<std::uint8_t> values, zeros;  // [out, in], [out, groups]
  std::vector<float> scales;                // [out, groups]

  Quantized(std::size_t out_, std::size_t in_, WeightFormat format_) : out(out_), in(in_), format(format_) {
    std::mt19937 random(static_cast<unsigned>(out * 31 + in));
    const auto integer = [&] { return static_cast<std::uint8_t>(random() % (1u << bits_of(format))); };
    scales = random_values(out * groups_of(in), 7, false, 0.05f);
    for (std::size_t i = 0; i < scales.size(); ++i) zeros.push_back(integer());
    for (std::size_t i = 0; i < out * in; ++i) values.push_back(integer());
  }
  std::vector<float> numbers() const {
    std::vector<float> result;
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i) {
        const std::size_t group = o * groups_of(in) + i / kGroup;
        result.push_back(static_cast<float>(values[o * in + i] - zeros[group]) * scales[group]);
      }
    return result;
  }
  PackedWeight pack(const std::vector<float>& bias) const {
    const auto panel = [&](std::size_t p, const PackedWeight::QuantizedPanel& to) {
      for (std::size_t j = 0; j < std::min(kPanel, out - p * kPanel); ++j) {
        const std::size_t o = p * kPanel + j;
        for (std::size_t i = 0; i < in; ++i) to.values[i * kPanel + j] = values[o * in + i];
        for (std::size_t g = 0; g < groups_of(in); ++g) {
          to.scales[g * kPanel + j] = scales[o * groups_of(in) + g];
          to.zeros[g * kPanel + j] = zeros[o * groups_of(in) + g];
        }
      }
    };
    return PackedWeight::pack_quantized(out, in, format, panel, bias, 2, "test").value();
  }
};

// f32 rows [rows, out padded].
AlignedBuffer run_rows(const KernelTable& table, const std::vector<float>& x, const PackedWeight& w, std::size_t rows,
                       Element element) {
  const AlignedBuffer tiles = testing::tiles_of(table, x, rows, x.size() / rows, element);
  AlignedBuffer y = buffer(round_up(rows, kRowBlock) * w.out() * sizeof(float));
  AlignedBuffer scratch = buffer(linear_scratch_floats() * sizeof(float));
  table.linear({tiles.data(), w.panels(), w.bias(), y.data(), rows, w.in(), w.out(), w.out(), element, w.format(),
                Element::kF32, Activation::kNone, Store::kRows, scratch.as<float>()});
  return y;
}

TEST(Quantized, RowsUnpackToTheNumbersTheyMean) {
  for (const Shape& s : kShapes)
    for (const WeightFormat format : kFormats) {
      const Quantized quantized(s.out, s.in, format);
      const PackedWeight packed = quantized.pack({});
      const std::vector<float> numbers = quantized.numbers();
      std::vector<float> row(s.in);
      for (std::size_t o = 0; o < s.out; ++o) {
        packed.unpack_row(o, row);
        for (std::size_t i = 0; i < s.in; ++i) ASSERT_EQ(row[i], numbers[o * s.in + i]) << o << ' ' << i;
      }
    }
}

TEST(Quantized, TakesItsBitsAndLittleMore) {
  const Quantized quantized(64, 1024, WeightFormat::kInt4);
  // Integers, per group and output a scale and a zero, and the bias.
  EXPECT_EQ(quantized.pack({}).bytes(), 64 * 1024 / 2 + 64 * 8 * 6 + kTileBytes);
}

// Where the integers are multiplied as they are, and the sums scaled (integers_avx512_bf16-inl.h).
bool scales_sums(const Level& level, Element element) {
  return level.name == std::string_view("avx512-bf16") && element == Element::kBf16;
}

TEST(Quantized, ProductsHaveTheBitsOfTheSameNumbersAsFloats) {
  for (const Level* level : levels_on_this_cpu())
    for (const Shape& s : kShapes)
      for (const WeightFormat format : kFormats)
        for (const Element element : testing::elements_of(*level->table)) {
          if (scales_sums(*level, element)) continue;
          const Quantized quantized(s.out, s.in, format);
          const std::vector<float> x = random_values(s.rows * s.in, 3, true), bias = random_values(s.out, 4, false);
          const PackedWeight w = quantized.pack(bias);
          const PackedWeight floats = testing::packed(quantized.numbers(), bias, s.out, s.in, element);
          const AlignedBuffer y = run_rows(*level->table, x, w, s.rows, element);
          const AlignedBuffer expected = run_rows(*level->table, x, floats, s.rows, element);
          for (std::size_t r = 0; r < s.rows; ++r)
            for (std::size_t o = 0; o < s.out; ++o)
              ASSERT_EQ(std::bit_cast<std::uint32_t>(y.as<float>()[r * w.out() + o]),
                        std::bit_cast<std::uint32_t>(expected.as<float>()[r * w.out() + o]))
                  << level->name << " bits " << bits_of(format) << " rows " << s.rows << " in " << s.in << " out "
                  << s.out << " at " << r << ',' << o;
        }
}

TEST(Quantized, EveryLevelAgreesWithTheReference) {
  for (const Level* level : levels_on_this_cpu())
    for (const Shape& s : kShapes)
      for (const WeightFormat format : kFormats) {
        const Quantized quantized(s.out, s.in, format);
        const std::vector<float> x = random_values(s.rows * s.in, 3, false), bias = random_values(s.out, 4, false);
        const auto expected = reference::linear(x, quantized.numbers(), bias, s.rows, s.in, s.out, Activation::kNone);
        const AlignedBuffer y = run_rows(*level->table, x, quantized.pack(bias), s.rows, Element::kF32);
        for (std::size_t r = 0; r < s.rows; ++r)
          for (std::size_t o = 0; o < s.out; ++o)
            ASSERT_NEAR(y.as<float>()[r * round_up(s.out, kPanel) + o], expected[r * s.out + o].value,
                        expected[r * s.out + o].magnitude * double(s.in + 1) * 0x1p-23)
                << level->name;
      }
}

std::vector<std::pair<Shape, WeightFormat>> shapes_and_formats() {
  std::vector<std::pair<Shape, WeightFormat>> all;
  for (const Shape& s : kShapes)
    for (const WeightFormat format : kFormats) all.emplace_back(s, format);
  return all;
}

// Better than weights in bf16 could: the only error is that of f32 sums of x (offset + q), of which offset + zero is
// taken off. Neither is more than 143 from zero.
TEST(Quantized, ScaledSumsAgreeWithTheReference) {
  for (const Level* level : levels_on_this_cpu())
    for (const auto& [s, format] : shapes_and_formats()) {
      if (!scales_sums(*level, Element::kBf16)) continue;
      const Quantized quantized(s.out, s.in, format);
      const std::vector<float> x = random_values(s.rows * s.in, 3, true), bias = random_values(s.out, 4, false);
      const auto expected = reference::linear(x, quantized.numbers(), bias, s.rows, s.in, s.out, Activation::kNone);
      const PackedWeight w = quantized.pack(bias);
      const AlignedBuffer y = run_rows(*level->table, x, w, s.rows, Element::kBf16);
      for (std::size_t r = 0; r < s.rows; ++r)
        for (std::size_t o = 0; o < s.out; ++o) {
          double magnitude = expected[r * s.out + o].magnitude;
          for (std::size_t i = 0; i < s.in; ++i)
            magnitude +=
                std::abs(double(x[r * s.in + i]) * quantized.scales[o * groups_of(s.in) + i / kGroup]) * 2 * 143;
          ASSERT_NEAR(y.as<float>()[r * w.out() + o], expected[r * s.out + o].value, magnitude * 16 * 0x1p-24)
              << "rows " << s.rows << " in " << s.in << " out " << s.out << " at " << r << ',' << o;
        }
    }
}

struct Rows {
  std::size_t in, most;
  std::vector<std::size_t> some;
};

// Also across a pass over the weights: some numbers of rows widen other slices than others, and long inputs go in
// shorter passes.
TEST(Quantized, ARowDoesNotDependOnHowManyThereAre) {
  constexpr std::size_t kOut = 40;
  const Rows cases[] = {{1188, 70, {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 31, 32, 33, 64}}, {33000, 40, {1, 33}}};
  for (const Rows& rows : cases) {
    const std::vector<float> x = random_values(rows.most * rows.in, 5, true);
    for (const Level* level : levels_on_this_cpu())
      for (const WeightFormat format : kFormats)
        for (const Element element : testing::elements_of(*level->table)) {
          const PackedWeight w = Quantized(kOut, rows.in, format).pack({});
          const AlignedBuffer all = run_rows(*level->table, x, w, rows.most, element);
          for (const std::size_t count : rows.some) {
            const std::vector<float> first(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(count * rows.in));
            const AlignedBuffer some = run_rows(*level->table, first, w, count, element);
            ASSERT_EQ(std::memcmp(some.data(), all.data(), count * w.out() * sizeof(float)), 0)
                << level->name << " rows " << count;
          }
        }
  }
}

}  // namespace
}  // namespace rerank::kernels
