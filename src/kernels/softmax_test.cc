#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();

struct Sums {
  std::vector<float> largest, sums;
};
// x [rows, stride] in pieces of `piece` columns.
Sums run(const KernelTable& table, const std::vector<float>& x, std::size_t rows, std::size_t cols, std::size_t stride,
         std::size_t piece) {
  Sums result{std::vector<float>(rows, kNone), std::vector<float>(rows, 0.0f)};
  for (std::size_t c = 0; c < cols; c += piece)
    table.exp_sums(x.data() + c, rows, std::min(piece, cols - c), stride, result.largest.data(), result.sums.data());
  return result;
}

TEST(ExpSums, PiecesGiveTheSoftmaxOfTheWhole) {
  const std::size_t rows = 5, stride = 1024;
  const auto x = testing::random_values(rows * stride, 1, false, 10);
  for (const Level* level : levels_on_this_cpu())
    for (const std::size_t cols : {1u, 31u, 64u, 100u, 1000u})
      for (const std::size_t piece : {32u, 96u, 1024u}) {
        const Sums result = run(*level->table, x, rows, cols, stride, piece);
        for (std::size_t r = 0; r < rows; ++r) {
          const float* row = x.data() + r * stride;
          const float top = *std::max_element(row, row + cols);
          double total = 0;
          for (std::size_t c = 0; c < cols; ++c) total += std::exp(double{row[c]} - double{top});
          ASSERT_EQ(result.largest[r], top) << level->name;
          ASSERT_NEAR(result.sums[r], total, 2e-6 * total) << level->name << " cols " << cols << " piece " << piece;
        }
      }
}

TEST(ExpSums, MinusInfinityWeighsNothing) {
  std::vector<float> x(96, kNone);
  for (const Level* level : levels_on_this_cpu()) {
    const Sums nothing = run(*level->table, x, 1, 96, 96, 32);
    EXPECT_EQ(nothing.largest[0], kNone) << level->name;
    EXPECT_EQ(nothing.sums[0], 0.0f) << level->name;
    std::vector<float> one = x;
    one[40] = -1e30f;  // the first piece has nothing, nor has the last
    const Sums found = run(*level->table, one, 1, 96, 96, 32);
    EXPECT_EQ(found.largest[0], -1e30f) << level->name;
    EXPECT_EQ(found.sums[0], 1.0f) << level->name;
  }
}

TEST(ExpSums, ARowDoesNotDependOnItsNeighbours) {
  const std::size_t rows = 7, cols = 96;
  const auto x = testing::random_values(rows * cols, 2, false, 10);
  for (const Level* level : levels_on_this_cpu()) {
    const Sums together = run(*level->table, x, rows, cols, cols, 64);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::vector<float> row(x.begin() + static_cast<std::ptrdiff_t>(r * cols),
                                   x.begin() + static_cast<std::ptrdiff_t>((r + 1) * cols));
      EXPECT_EQ(run(*level->table, row, 1, cols, cols, 64).sums[0], together.sums[r]) << level->name;
    }
  }
}

}  // namespace
}  // namespace rerank::kernels
