// The oracle of the kernels: three plain loops with f64 sums. Slow and simple on purpose; tests compare every level
// with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"

namespace rerank::kernels::reference {

// A sum, and the sum of the magnitudes of its terms: rounding errors are bounded relative to the latter.
struct Sum {
  double value = 0, magnitude = 0;
};

// [rows, out] = activation(x [rows, in] w [out, in]^T + bias [out]); `magnitude` is that of the product before the
// activation.
std::vector<Sum> linear(const std::vector<float>& x, const std::vector<float>& w, const std::vector<float>& bias,
                        std::size_t rows, std::size_t in, std::size_t out, Activation activation);

// softmax(scale * q k^T) v for one sequence and head: q [queries, dim], k and v [keys, dim] -> [queries, dim].
std::vector<double> attention(const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                              std::size_t queries, std::size_t keys, std::size_t dim, double scale);

// (x - mean) / sqrt(variance + eps) * weight + bias over each row of x [rows, cols].
std::vector<double> layer_norm(const std::vector<float>& x, const std::vector<float>& weight,
                               const std::vector<float>& bias, std::size_t rows, std::size_t cols, double eps);

double activate(double x, Activation activation);

}  // namespace rerank::kernels::reference
