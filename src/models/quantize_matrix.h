// Floats to integers, for checkpoints that quantized_matrix.h reads.
//
// Each group of 128 inputs of an output gets the scale and zero that its smallest and largest weight ask for, or a
// narrower range where cutting the outermost weights off makes the whole group more exact: a grid of ranges is tried,
// and each is judged by the squared error of the weights as they will be read back.
#pragma once

#include <cstdint>
#include <vector>

#include "io/weights.h"
#include "models/quantized_matrix.h"
#include "rerank/error.h"

namespace rerank::models {

// The data of a QuantizedMatrix [out, in], with shapes as there.
struct QuantizedData {
  std::vector<std::uint32_t> qweight, qzeros;
  std::vector<std::uint16_t> scales;  // f16
  // Sums over all weights, of the original squared and of what they are off by, squared.
  double weights_squared = 0, errors_squared = 0;
};

// Quantizes `weight` [out, in] of F32, F16 or BF16, for which why_not_quantized() is empty. The result does not depend
// on the number of threads. kCorrupt when a weight is no finite number, kUnsupported when a scale is too large for f16.
Result<QuantizedData> quantize_matrix(const io::Tensor& weight, Quantization quantization, int threads);

}  // namespace rerank::models
