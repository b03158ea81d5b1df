// Gated activations: the gates and the values of one product meet in its epilogue.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::elements_of;
using testing::random_values;

constexpr Activation kGates[] = {Activation::kSiluGate, Activation::kGeluTanhGate};

// tiles [rows, out / 2] for a weight [out, in] whose rows lie as panels want them.
AlignedBuffer run(const KernelTable& table, const std::vector<float>& x, const std::vector<float>& w,
                  const std::vector<float>& bias, std::size_t rows, std::size_t in, Element x_element,
                  Element w_element, Activation gate) {
  const AlignedBuffer tiles = testing::tiles_of(table, x, rows, in, x_element);
  const PackedWeight packed = testing::packed(w, bias, w.size() / in, in, w_element);
  AlignedBuffer y = buffer(round_up(rows, kRowBlock) * packed.out() / 2 * size_of(x_element));
  AlignedBuffer scratch = buffer(linear_scratch_floats() * sizeof(float));
  table.linear({tiles.data(), packed.panels(), packed.bias(), y.data(), rows, packed.in(), packed.out(), 0, x_element,
                packed.format(), x_element, gate, Store::kTiles, scratch.as<float>()});
  return y;
}

TEST(Gate, EveryLevelAgreesWithTheReference) {
  const std::size_t rows = 37, in = 70, out = 192;
  const auto x = random_values(rows * in, 1, true), w = random_values(out * in, 2, true, 0.2f),
             bias = random_values(out, 3, false);
  const auto sums = reference::linear(x, w, bias, rows, in, out, Activation::kNone);
  for (const Level* level : levels_on_this_cpu())
    for (const Activation gate : kGates)
      for (const Element x_element : elements_of(*level->table))
        for (const Element w_element : {x_element, Element::kBf16}) {
          const AlignedBuffer y = run(*level->table, x, w, bias, rows, in, x_element, w_element, gate);
          for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < out / 2; ++c) {
              const std::size_t at = r * out + c / 16 * kPanel + c % 16;
              const auto &g = sums[at], &v = sums[at + 16];
              const double expected = reference::activate(g.value, gate) * v.value;
              const double magnitude = (g.magnitude + 1) * (v.magnitude + 1);
              ASSERT_NEAR(
                  testing::tile_value(y, out / 2, x_element, r, c), expected,
                  x_element == Element::kF32 ? 1e-6 * magnitude : 0x1p-8 * std::fabs(expected) + 1e-5 * magnitude)
                  << level->name << " gate " << int(gate) << " at " << r << ',' << c;
            }
        }
}

// Gates from far below to far above, each with the value 1.
TEST(Gate, KeepsItsRelativeAccuracyInTheTails) {
  std::vector<float> x;
  for (float v = -84.0f; v < 100.0f; v += 0.0625f) x.push_back(v);
  for (const float v : {-1e30f, -200.0f, -90.0f, -88.5f, 200.0f, 1e30f}) x.push_back(v);
  std::vector<float> w(2 * kPanel, 0.0f), bias(2 * kPanel, 0.0f);
  w[0] = 1, bias[16] = 1;
  for (const Level* level : levels_on_this_cpu())
    for (const Activation gate : kGates) {
      // The cubic of GELU leaves its exponent a rounding error of its own size.
      const bool gelu = gate == Activation::kGeluTanhGate;
      const AlignedBuffer y = run(*level->table, x, w, bias, x.size(), 1, Element::kF32, Element::kF32, gate);
      for (std::size_t r = 0; r < x.size(); ++r) {
        const double expected = reference::activate(double{x[r]}, gate),
                     value = testing::tile_value(y, kPanel, Element::kF32, r, 0);
        if (std::fabs(x[r]) > 110) {
          ASSERT_NEAR(value, x[r] > 0 ? x[r] : 0.0, x[r] > 0 ? 0.0 : 1e-37 * -double{x[r]}) << level->name;
        } else {
          const double exponent = gelu ? std::fmin(std::fabs(1.6 * x[r] + 0.072 * x[r] * x[r] * x[r]), 87) : 0;
          ASSERT_NEAR(value, expected, (1e-6 + 2e-7 * exponent) * std::fabs(expected) + 2e-36)
              << level->name << " gate " << int(gate) << ' ' << x[r];
        }
      }
    }
}

TEST(Gate, ARowDoesNotDependOnItsNeighbours) {
  const std::size_t rows = 45, in = 40, out = 128;
  const auto x = random_values(rows * in, 4, true), w = random_values(out * in, 5, true),
             bias = random_values(out, 6, true);
  for (const Level* level : levels_on_this_cpu())
    for (const Activation gate : kGates)
      for (const Element element : elements_of(*level->table)) {
        const AlignedBuffer together = run(*level->table, x, w, bias, rows, in, element, element, gate);
        for (std::size_t r = 0; r < rows; r += 11) {
          const std::vector<float> row(x.begin() + static_cast<std::ptrdiff_t>(r * in),
                                       x.begin() + static_cast<std::ptrdiff_t>((r + 1) * in));
          const AlignedBuffer alone = run(*level->table, row, w, bias, 1, in, element, element, gate);
          for (std::size_t c = 0; c < out / 2; ++c)
            ASSERT_EQ(testing::tile_value(alone, out / 2, element, 0, c),
                      testing::tile_value(together, out / 2, element, r, c))
                << level->name << " row " << r;
        }
      }
}

}  // namespace
}  // namespace rerank::kernels
