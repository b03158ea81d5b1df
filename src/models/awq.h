// AWQ checkpoints: linear layers of 4-bit integers with a scale and a zero for each output and each group of 128
// inputs. Lin et al. 2023; AutoAWQ's WQLinear_GEMM for the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "io/json.h"
#include "io/weights.h"
#include "kernels/packed_weight.h"
#include "rerank/error.h"

namespace rerank::models {

enum class Quantization : std::uint8_t { kNone, kAwq };

// What "quantization_config" of config.json says; kNone where there is none. kUnsupported, naming key and value, for
// every method, version and size but AWQ "gemm" with 4 bits, groups of 128 and zeros. Which modules are not converted
// is left to the tensors: those have a "weight".
Result<Quantization> read_quantization(const io::Json& config);

// One linear layer [out, in]. Its tensors are transposed, and 8 neighbouring outputs share a word of 4-bit fields:
//   qweight  I32 [in, out / 8]
//   qzeros   I32 [in / 128, out / 8]
//   scales       [in / 128, out]
// The weight of output o and input i is (q[i, o] - z[i / 128, o]) * s[i / 128, o].
struct AwqMatrix {
  io::Tensor qweight, qzeros, scales;

  // Is the layer at this scope one?
  static bool is_at(const io::WeightScope& linear) { return linear.has("qweight"); }
  // kNotFound, kCorrupt (naming the tensor whose shape it is) or kUnsupported.
  static Result<AwqMatrix> open(const io::WeightScope& linear, std::size_t out, std::size_t in);
  // Gives the file's pages back.
  void release() const;
};

// What becomes one row of a packed weight: an output of a matrix, or zeros where there is no matrix.
struct AwqRow {
  const AwqMatrix* matrix = nullptr;
  std::size_t output = 0;
};

// The rows 0 .. out - 1 of several matrices with `in` inputs, their integers as they are.
Result<kernels::PackedWeight> pack_awq(std::size_t out, std::size_t in,
                                       const std::function<AwqRow(std::size_t row)>& rows, std::span<const float> bias,
                                       int threads);

}  // namespace rerank::models
