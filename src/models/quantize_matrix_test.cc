// What quantize_matrix makes, read back through the loader that reads checkpoints.
#include "models/quantize_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/half.h"

namespace rerank::models {
namespace {

// A matrix [out, in] in memory, as a tensor.
struct Matrix {
  std::size_t out, in;
  std::vector<float> values = std::vector<float>(out * in);
  std::vector<std::size_t> shape{out, in};

  io::Tensor tensor() const {
    return {.name = "layer.weight",
            .dtype = io::Dtype::kF32,
            .shape = shape,
            .bytes = std::as_bytes(std::span(values)),
            .file_name = "model.safetensors"};
  }
};

Matrix random_matrix(std::size_t out, std::size_t in, float outlier = 0) {
  Matrix matrix{out, in};
  std::mt19937 random(static_cast<unsigned>(out * 31 + in));
  std::normal_distribution<float> normal(0, 0.02f);
  for (float& value : matrix.values) value = normal(random);
  if (outlier != 0)
    for (std::size_t i = 0; i < matrix.values.size(); i += 97) matrix.values[i] = outlier;
  return matrix;
}

// By the format's definition.
std::vector<float> dequantized(const QuantizedData& data, Quantization quantization, std::size_t out, std::size_t in) {
  const std::size_t in_word = quantization == Quantization::kInt4 ? 8 : 4, bits = 32 / in_word, words = out / in_word;
  constexpr std::size_t kAwqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
  const auto integer = [&](const std::vector<std::uint32_t>& from, std::size_t row, std::size_t o) {
    std::size_t field = o % in_word;
    if (quantization == Quantization::kInt4) field = std::find(kAwqOrder, kAwqOrder + 8, field) - kAwqOrder;
    return static_cast<int>(from[row * words + o / in_word] >> (bits * field) & ((1u << bits) - 1));
  };
  std::vector<float> values(out * in);
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      values[o * in + i] = static_cast<float>(integer(data.qweight, i, o) - integer(data.qzeros, i / 128, o)) *
                           f16_to_f32(data.scales[i / 128 * out + o]);
  return values;
}

double relative_error(const QuantizedData& data) {
  return std::sqrt(data.errors_squared / data.weights_squared);
}

struct Case {
  Quantization quantization;
  std::size_t out, in;
  double error;  // at most: of normally distributed weights
};
class QuantizeShapes : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Table, QuantizeShapes,
    ::testing::Values(Case{Quantization::kInt4, 8, 128, 0.11}, Case{Quantization::kInt4, 136, 384, 0.11},
                      Case{Quantization::kInt4, 264, 256, 0.11}, Case{Quantization::kInt8, 4, 128, 0.0075},
                      Case{Quantization::kInt8, 132, 300, 0.0075}, Case{Quantization::kInt8, 256, 24, 0.0075}));

TEST_P(QuantizeShapes, TellsTheErrorOfWhatIsReadBack) {
  const auto& [quantization, out, in, most] = GetParam();
  const Matrix matrix = random_matrix(out, in);
  const auto made = quantize_matrix(matrix.tensor(), quantization, 2);
  ASSERT_TRUE(made.ok()) << made.error().message();
  const std::vector<float> read = dequantized(made.value(), quantization, out, in);
  double errors = 0, weights = 0;
  for (std::size_t i = 0; i < read.size(); ++i) {
    errors += std::pow(double{read[i]} - matrix.values[i], 2);
    weights += std::pow(double{matrix.values[i]}, 2);
  }
  EXPECT_NEAR(made.value().errors_squared, errors, 1e-4 * errors);
  EXPECT_NEAR(made.value().weights_squared, weights, 1e-4 * weights);
  EXPECT_LT(relative_error(made.value()), most);
  EXPECT_GT(relative_error(made.value()), most / 3);
  // The same whoever does the work.
  const auto alone = quantize_matrix(matrix.tensor(), quantization, 1);
  EXPECT_EQ(alone.value().qweight, made.value().qweight);
  EXPECT_EQ(alone.value().qzeros, made.value().qzeros);
  EXPECT_EQ(alone.value().scales, made.value().scales);
  EXPECT_EQ(alone.value().errors_squared, made.value().errors_squared);
}

TEST(QuantizeMatrix, IntegersSurviveAsTheyAre) {
  // Multiples of a scale that f16 has, over the whole range, in every group: nothing is lost.
  Matrix matrix{8, 256};
  for (std::size_t i = 0; i < matrix.values.size(); ++i)
    matrix.values[i] = 0.0625f * (static_cast<float>(i % 16) - static_cast<float>(i / 256));
  const auto made = quantize_matrix(matrix.tensor(), Quantization::kInt4, 1);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made.value().errors_squared, 0);
  EXPECT_EQ(dequantized(made.value(), Quantization::kInt4, 8, 256), matrix.values);
}

TEST(QuantizeMatrix, CutsOffOutliersOnlyWhereThatHelps) {
  // A range that is cut to half of its outlier is worth it only for the weights around it, never for the sum: but the
  // search may not make it worse than minimum and maximum alone, whose error is known.
  for (const float outlier : {0.0f, 0.06f, 0.1f, 1.0f}) {
    const Matrix matrix = random_matrix(64, 256, outlier);
    const auto made = quantize_matrix(matrix.tensor(), Quantization::kInt4, 1);
    ASSERT_TRUE(made.ok());
    double rounding = 0;
    for (std::size_t row = 0; row < 64 * 2; ++row) {
      float low = 0, high = 0;
      for (std::size_t i = 0; i < 128; ++i) {
        low = std::min(low, matrix.values[row * 128 + i]);
        high = std::max(high, matrix.values[row * 128 + i]);
      }
      const float scale = f16_to_f32(f32_to_f16((high - low) / 15)), zero = std::nearbyint(-low / scale);
      for (std::size_t i = 0; i < 128; ++i) {
        const float w = matrix.values[row * 128 + i];
        const float q = std::clamp(std::nearbyint(w / scale + zero), 0.0f, 15.0f);
        rounding += std::pow(double{(q - zero) * scale} - w, 2);
      }
    }
    EXPECT_LE(made.value().errors_squared, rounding * 1.0001) << outlier;
  }
}

TEST(QuantizeMatrix, GroupsOfOneSignOrOfNothing) {
  Matrix matrix{8, 128};
  for (std::size_t i = 0; i < 128; ++i) {
    matrix.values[i] = 1 + 0.001f * static_cast<float>(i);         // far from zero
    matrix.values[128 + i] = -1 - 0.001f * static_cast<float>(i);  // output 2 is all zeros
    matrix.values[3 * 128 + i] = 1e-30f;                           // below what any scale can say
    matrix.values[4 * 128 + i] = 3e-7f;                            // at the end of what f16 can say
  }
  for (const Quantization quantization : {Quantization::kInt4, Quantization::kInt8}) {
    const auto made = quantize_matrix(matrix.tensor(), quantization, 1);
    ASSERT_TRUE(made.ok());
    const std::vector<float> read = dequantized(made.value(), quantization, 8, 128);
    for (std::size_t i = 0; i < 128; ++i) {
      EXPECT_NEAR(read[i], matrix.values[i], 0.07f);
      EXPECT_NEAR(read[128 + i], matrix.values[128 + i], 0.07f);
      EXPECT_EQ(read[2 * 128 + i], 0);
      EXPECT_EQ(read[3 * 128 + i], 0);
      EXPECT_NEAR(read[4 * 128 + i], 3e-7f, 3e-7f);
    }
  }
}

TEST(QuantizeMatrix, RefusesWhatIsNoNumber) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Matrix matrix = random_matrix(256, 128);
    matrix.values[200 * 128 + 7] = bad;
    const auto refused = quantize_matrix(matrix.tensor(), Quantization::kInt4, 2);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Error::Code::kCorrupt);
    EXPECT_NE(refused.error().where.find("layer.weight"), std::string::npos);
  }
  Matrix matrix = random_matrix(8, 128);
  matrix.values[5] = 1e8f;
  EXPECT_EQ(quantize_matrix(matrix.tensor(), Quantization::kInt4, 1).error().code, Error::Code::kUnsupported);
}

}  // namespace
}  // namespace rerank::models
