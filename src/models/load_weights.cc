#include "models/load_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace rerank::models {
namespace {

// Columns heads * dim of a row move to heads * padded_dim, from the last head down so that nothing is overwritten
// unread.
void spread_heads(std::span<float> row, const HeadLayout& heads) {
  if (heads.dim == heads.padded_dim) return;
  for (std::size_t head = heads.heads; head-- > 0;) {
    const auto from = row.begin() + static_cast<std::ptrdiff_t>(head * heads.dim);
    const auto to = row.begin() + static_cast<std::ptrdiff_t>(head * heads.padded_dim);
    std::copy_backward(from, from + static_cast<std::ptrdiff_t>(heads.dim),
                       to + static_cast<std::ptrdiff_t>(heads.dim));
    std::fill_n(to + static_cast<std::ptrdiff_t>(heads.dim), heads.padded_dim - heads.dim, 0.0f);
  }
}

}  // namespace

std::vector<float> to_f32(const io::Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  io::convert_to_f32(tensor, 0, values);
  return values;
}

Result<kernels::PackedWeight> load_linear(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                          std::size_t in, const LoadOptions& options) {
  const io::WeightScope linear = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, linear.tensor("weight", {out, in}));
  RERANK_ASSIGN(const io::Tensor bias, linear.tensor("bias", {out}));
  const auto row = [&](std::size_t r, std::span<float> values) { io::convert_to_f32(weight, r * in, values); };
  auto packed = kernels::PackedWeight::pack(out, in, options.element, row, to_f32(bias), options.threads, "weights");
  io::release(weight);
  return packed;
}

Result<kernels::PackedWeight> load_projections(const io::WeightScope& scope,
                                               std::initializer_list<std::string_view> names, const HeadLayout& heads,
                                               std::size_t in, const LoadOptions& options) {
  std::vector<io::Tensor> weights;
  std::vector<float> biases;
  for (const std::string_view name : names) {
    const io::WeightScope linear = scope.scope(name);
    RERANK_ASSIGN(io::Tensor weight, linear.tensor("weight", {heads.width(), in}));
    RERANK_ASSIGN(const io::Tensor bias, linear.tensor("bias", {heads.width()}));
    weights.push_back(weight);
    std::vector<float> padded = to_f32(bias);
    padded.resize(heads.padded_width());
    spread_heads(padded, heads);
    biases.insert(biases.end(), padded.begin(), padded.end());
  }
  const auto row = [&](std::size_t r, std::span<float> values) {
    const std::size_t in_projection = r % heads.padded_width();
    const std::size_t head = in_projection / heads.padded_dim, d = in_projection % heads.padded_dim;
    if (d >= heads.dim) {
      std::fill(values.begin(), values.end(), 0.0f);
    } else {
      io::convert_to_f32(weights[r / heads.padded_width()], (head * heads.dim + d) * in, values);
    }
  };
  auto packed = kernels::PackedWeight::pack(names.size() * heads.padded_width(), in, options.element, row, biases,
                                            options.threads, "weights");
  for (const io::Tensor& weight : weights) io::release(weight);
  return packed;
}

Result<kernels::PackedWeight> load_head_output(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                               const HeadLayout& heads, const LoadOptions& options) {
  const io::WeightScope linear = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, linear.tensor("weight", {out, heads.width()}));
  RERANK_ASSIGN(const io::Tensor bias, linear.tensor("bias", {out}));
  const auto row = [&](std::size_t r, std::span<float> values) {
    io::convert_to_f32(weight, r * heads.width(), values.first(heads.width()));
    spread_heads(values, heads);
  };
  auto packed = kernels::PackedWeight::pack(out, heads.padded_width(), options.element, row, to_f32(bias),
                                            options.threads, "weights");
  io::release(weight);
  return packed;
}

Result<kernels::NormWeights> load_layer_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                             float eps) {
  const io::WeightScope norm = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, norm.tensor("weight", {cols}));
  RERANK_ASSIGN(const io::Tensor bias, norm.tensor("bias", {cols}));
  return kernels::NormWeights::make(to_f32(weight), to_f32(bias), eps);
}

}  // namespace rerank::models
