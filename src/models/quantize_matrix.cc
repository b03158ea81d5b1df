#include "models/quantize_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/half.h"
#include "base/parallel.h"

namespace rerank::models {
namespace {

using kernels::kGroup;

constexpr std::size_t kBlock = 128;  // outputs that are quantized by one thread at a time: whole cache lines of words
constexpr std::size_t kLanes = 8;    // sums side by side, so that loops over a group become vector code
static_assert(kGroup % kLanes == 0);

// How much narrower the ranges become, and how often. With 8 bits the outermost weights of a group of 128 are hardly
// worth cutting off.
struct Grid {
  float step;
  int steps;
};
constexpr Grid grid_of(Quantization quantization) {
  return quantization == Quantization::kInt4 ? Grid{0.03f, 16} : Grid{0.01f, 4};
}

struct Parameters {
  std::uint16_t scale_bits = 0;
  float scale = 0, zero = 0;
};

// The integer of a weight, as a float. Adding and taking away 1.5 * 2^23 rounds to the nearest whole number.
inline float integer_of(float weight, float inverse, float zero, float largest) {
  constexpr float kRound = 12582912.0f;
  const float integer = (weight * inverse + zero + kRound) - kRound;
  return std::min(std::max(integer, 0.0f), largest);
}

// One group of an output, filled up with zeros, whose error is zero.
class Group {
 public:
  explicit Group(std::span<const float, kGroup> weights) : weights_(weights.data()) {
    std::array<float, kLanes> low{}, high{}, squares{};
    for (std::size_t i = 0; i < kGroup; i += kLanes)
      for (std::size_t j = 0; j < kLanes; ++j) {
        const float w = weights_[i + j];
        low[j] = std::min(low[j], w);
        high[j] = std::max(high[j], w);
        squares[j] += w * w;
      }
    // Zero is always in the range: its integer is the group's "zero", which must be one of them.
    low_ = *std::min_element(low.begin(), low.end());
    high_ = *std::max_element(high.begin(), high.end());
    for (const float sum : squares) weights_squared_ += double{sum};
  }

  // Infinite or NaN where a weight is, or where one is too large for any scale.
  double weights_squared() const { return weights_squared_; }

  // The range times `factor`; a scale of zero where f16 has none that small.
  Parameters parameters(float factor, float largest) const {
    Parameters p;
    p.scale_bits = f32_to_f16(factor * (high_ - low_) / largest);
    p.scale = f16_to_f32(p.scale_bits);
    if (p.scale > 0) p.zero = std::min(std::nearbyint(-factor * low_ / p.scale), largest);
    return p;
  }

  double errors_squared(const Parameters& p, float largest) const {
    const float inverse = p.scale > 0 ? 1 / p.scale : 0;
    std::array<float, kLanes> sums{};
    for (std::size_t i = 0; i < kGroup; i += kLanes)
      for (std::size_t j = 0; j < kLanes; ++j) {
        const float w = weights_[i + j];
        const float error = (integer_of(w, inverse, p.zero, largest) - p.zero) * p.scale - w;
        sums[j] += error * error;
      }
    double total = 0;
    for (const float sum : sums) total += double{sum};
    return total;
  }

  void round(const Parameters& p, float largest, std::uint8_t* integers) const {
    const float inverse = p.scale > 0 ? 1 / p.scale : 0;
    for (std::size_t i = 0; i < kGroup; ++i)
      integers[i] = static_cast<std::uint8_t>(integer_of(weights_[i], inverse, p.zero, largest));
  }

 private:
  const float* weights_;
  float low_ = 0, high_ = 0;
  double weights_squared_ = 0;
};

// Some neighbouring outputs of the matrix.
class Block {
 public:
  Block(const io::Tensor& weight, Quantization quantization, std::size_t first, QuantizedData& to)
      : weight_(weight),
        quantization_(quantization),
        largest_(static_cast<float>((1u << kernels::bits_of(format_of(quantization))) - 1)),
        out_(weight.shape[0]),
        in_(weight.shape[1]),
        first_(first),
        count_(std::min(kBlock, out_ - first)),
        to_(to),
        integers_(kBlock * kGroup) {}

  void quantize() {
    for (std::size_t group = 0; group < kernels::groups_of(in_); ++group) {
      for (std::size_t j = 0; j < count_; ++j) quantize(group, j);
      write(group);
    }
  }

  double weights_squared = 0, errors_squared = 0;
  bool too_large = false;  // a scale is not finite

 private:
  std::size_t inputs(std::size_t group) const { return std::min(kGroup, in_ - group * kGroup); }

  void quantize(std::size_t group, std::size_t j) {
    std::array<float, kGroup> weights{};
    io::convert_to_f32(weight_, (first_ + j) * in_ + group * kGroup, {weights.data(), inputs(group)});
    const Group values(weights);
    weights_squared += values.weights_squared();
    if (!std::isfinite(values.weights_squared())) return;
    Parameters best = values.parameters(1, largest_);
    double least = values.errors_squared(best, largest_);
    const Grid grid = grid_of(quantization_);
    for (int step = 1; step < grid.steps; ++step) {
      const Parameters next = values.parameters(1 - static_cast<float>(step) * grid.step, largest_);
      const double error = values.errors_squared(next, largest_);
      if (error < least) {
        least = error;
        best = next;
      }
    }
    errors_squared += least;
    too_large |= !std::isfinite(best.scale);
    values.round(best, largest_, integers_.data() + j * kGroup);
    zeros_[j] = static_cast<std::uint8_t>(best.zero);
    to_.scales[group * out_ + first_ + j] = best.scale_bits;
  }

  // The integers of one group, input by input as the file has them.
  void write(std::size_t group) {
    const std::size_t in_word = outputs_in_word(quantization_), words = out_ / in_word;
    const auto word_of = [&](std::size_t word, const auto& integer_of_output) {
      std::uint32_t bits = 0;
      for (std::size_t j = word * in_word; j < (word + 1) * in_word; ++j)
        bits |= std::uint32_t{integer_of_output(j)} << shift_of(quantization_, j);
      return bits;
    };
    for (std::size_t word = 0; word < count_ / in_word; ++word)
      to_.qzeros[group * words + first_ / in_word + word] = word_of(word, [&](std::size_t j) { return zeros_[j]; });
    for (std::size_t i = 0; i < inputs(group); ++i)
      for (std::size_t word = 0; word < count_ / in_word; ++word)
        to_.qweight[(group * kGroup + i) * words + first_ / in_word + word] =
            word_of(word, [&](std::size_t j) { return integers_[j * kGroup + i]; });
  }

  const io::Tensor& weight_;
  Quantization quantization_;
  float largest_;  // integer
  std::size_t out_, in_, first_, count_;
  QuantizedData& to_;
  std::vector<std::uint8_t> integers_;  // [kBlock][kGroup]
  std::array<std::uint8_t, kBlock> zeros_{};
};

}  // namespace

Result<QuantizedData> quantize_matrix(const io::Tensor& weight, Quantization quantization, int threads) {
  const std::size_t out = weight.shape[0], in = weight.shape[1];
  const std::size_t words = out / outputs_in_word(quantization), groups = kernels::groups_of(in);
  QuantizedData data;
  data.qweight.resize(in * words);
  data.qzeros.resize(groups * words);
  data.scales.resize(groups * out);
  struct Sums {
    double weights = 0, errors = 0;
    bool too_large = false;
  };
  std::vector<Sums> sums((out + kBlock - 1) / kBlock);
  parallel_for(sums.size(), threads, [&](std::size_t i) {
    Block block(weight, quantization, i * kBlock, data);
    block.quantize();
    sums[i] = {block.weights_squared, block.errors_squared, block.too_large};
  });
  for (const Sums& sum : sums) {
    data.weights_squared += sum.weights;
    data.errors_squared += sum.errors;
    if (!std::isfinite(sum.weights))
      return Error{Error::Code::kCorrupt, "holds a weight that is not a finite number", weight.where(),
                   "download the checkpoint again"};
    if (sum.too_large)
      return Error{Error::Code::kUnsupported, "holds weights that are too large for scales of 16 bits", weight.where(),
                   "leave this checkpoint as it is"};
  }
  return data;
}

}  // namespace rerank::models
