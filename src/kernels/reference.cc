#include "kernels/reference.h"

#include <algorithm>
#include <cmath>

namespace rerank::kernels::reference {

double activate(double x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSiluGate:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanhGate:
      // Twice the argument in a sigmoid: 1 + tanh would lose the tail.
      return x / (1 + std::exp(-2 * std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
  }
  return x;
}

std::vector<Sum> linear(const std::vector<float>& x, const std::vector<float>& w, const std::vector<float>& bias,
                        std::size_t rows, std::size_t in, std::size_t out, Activation activation) {
  std::vector<Sum> y(rows * out);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < out; ++o) {
      Sum& sum = y[r * out + o];
      sum = {bias[o], std::fabs(bias[o])};
      for (std::size_t i = 0; i < in; ++i) {
        const double term = double{x[r * in + i]} * double{w[o * in + i]};
        sum.value += term;
        sum.magnitude += std::fabs(term);
      }
      sum.value = activate(sum.value, activation);
    }
  return y;
}

std::vector<double> attention(const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
                              std::size_t queries, std::size_t keys, std::size_t dim, double scale) {
  std::vector<double> out(queries * dim), weights(keys);
  for (std::size_t query = 0; query < queries; ++query) {
    for (std::size_t key = 0; key < keys; ++key) {
      weights[key] = 0;
      for (std::size_t d = 0; d < dim; ++d) weights[key] += double{q[query * dim + d]} * double{k[key * dim + d]};
      weights[key] *= scale;
    }
    const double top = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& weight : weights) total += weight = std::exp(weight - top);
    for (std::size_t key = 0; key < keys; ++key)
      for (std::size_t d = 0; d < dim; ++d) out[query * dim + d] += weights[key] / total * double{v[key * dim + d]};
  }
  return out;
}

std::vector<double> layer_norm(const std::vector<float>& x, const std::vector<float>& weight,
                               const std::vector<float>& bias, std::size_t rows, std::size_t cols, double eps) {
  std::vector<double> y(rows * cols);
  for (std::size_t r = 0; r < rows; ++r) {
    double mean = 0, variance = 0;
    for (std::size_t c = 0; c < cols; ++c) mean += x[r * cols + c];
    mean /= static_cast<double>(cols);
    for (std::size_t c = 0; c < cols; ++c) variance += (x[r * cols + c] - mean) * (x[r * cols + c] - mean);
    variance /= static_cast<double>(cols);
    for (std::size_t c = 0; c < cols; ++c)
      y[r * cols + c] = (x[r * cols + c] - mean) / std::sqrt(variance + eps) * double{weight[c]} + double{bias[c]};
  }
  return y;
}

std::vector<double> rotate(const std::vector<double>& x, const float* angles) {
  const std::size_t half = x.size() / 2;
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < half; ++i) {
    const double cosine = angles[i], sine = angles[half + i];
    y[i] = x[i] * cosine - x[half + i] * sine;
    y[half + i] = x[half + i] * cosine + x[i] * sine;
  }
  return y;
}

std::vector<double> causal_attention(const std::vector<double>& q, const std::vector<double>& k,
                                     const std::vector<double>& v, std::size_t dim, const CausalMask& mask) {
  const std::size_t queries = q.size() / dim, keys = k.size() / dim;
  std::vector<double> out(queries * dim), weights(keys);
  for (std::size_t query = 0; query < queries; ++query) {
    const std::size_t end = keys - queries + query + 1;
    const std::size_t first = mask.window != 0 && end > mask.window ? end - mask.window : 0;
    double top = -HUGE_VAL, total = 0;
    for (std::size_t key = first; key < end; ++key) {
      double score = 0;
      for (std::size_t d = 0; d < dim; ++d) score += q[query * dim + d] * k[key * dim + d];
      score *= mask.scale;
      if (mask.softcap != 0) score = mask.softcap * std::tanh(score / mask.softcap);
      weights[key] = score;
      top = std::max(top, score);
    }
    for (std::size_t key = first; key < end; ++key) total += weights[key] = std::exp(weights[key] - top);
    for (std::size_t key = first; key < end; ++key)
      for (std::size_t d = 0; d < dim; ++d) out[query * dim + d] += weights[key] / total * v[key * dim + d];
  }
  return out;
}

std::vector<double> rms_norm(const std::vector<float>& x, const std::vector<float>& weight, std::size_t rows,
                             std::size_t cols, double eps) {
  std::vector<double> y(rows * cols);
  for (std::size_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (std::size_t c = 0; c < cols; ++c) squares += double{x[r * cols + c]} * double{x[r * cols + c]};
    for (std::size_t c = 0; c < cols; ++c)
      y[r * cols + c] = x[r * cols + c] / std::sqrt(squares / static_cast<double>(cols) + eps) * double{weight[c]};
  }
  return y;
}

}  // namespace rerank::kernels::reference
