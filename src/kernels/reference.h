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

// A head at one position, rotated: x [dim], angles [dim] of that position as RotateQueriesArgs::rotary holds them.
std::vector<double> rotate(const std::vector<double>& x, const float* angles);

struct CausalMask {
  std::size_t window;  // 0: none
  double scale, softcap;
};
// One head of causal attention: q [n, dim] of the last n positions, k and v [keys, dim] -> [n, dim].
std::vector<double> causal_attention(const std::vector<double>& q, const std::vector<double>& k,
                                     const std::vector<double>& v, std::size_t dim, const CausalMask& mask);

// x / sqrt(mean(x^2) + eps) * weight over each row of x [rows, cols].
std::vector<double> rms_norm(const std::vector<float>& x, const std::vector<float>& weight, std::size_t rows,
                             std::size_t cols, double eps);

// Of a gate, the activation without the value.
double activate(double x, Activation activation);

}  // namespace rerank::kernels::reference
