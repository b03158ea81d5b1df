#include "models/load_weights.h"

#include <algorithm>

#include "base/try.h"

namespace rerank::models {
namespace {

// Columns heads * dim move to heads * padded_dim.
void spread_heads(std::span<const float> values, const HeadLayout& heads, std::span<float> padded) {
  for (std::size_t head = 0; head < heads.heads; ++head)
    for (std::size_t d = 0; d < heads.padded_dim; ++d) {
      const auto source = heads.source(d);
      padded[head * heads.padded_dim + d] = source ? values[head * heads.dim + *source] : 0.0f;
    }
}

Result<std::vector<float>> read_bias(const io::WeightScope& linear, std::size_t out, Bias bias,
                                     const LoadOptions& options) {
  if (bias == Bias::kNone) return std::vector<float>(out);
  RERANK_ASSIGN(const io::Tensor tensor, load_matrix(linear, "bias", {out}, options));
  std::vector<float> values(out);
  read_row(tensor, 0, values, options);
  return values;
}

}  // namespace

Result<io::Tensor> load_matrix(const io::WeightScope& scope, std::string_view name,
                               std::initializer_list<std::size_t> shape, const LoadOptions& options) {
  RERANK_ASSIGN(io::Tensor tensor, scope.tensor(name, shape));
  if (options.adapter != nullptr) {
    RERANK_TRY(options.adapter->match(tensor.name, tensor.shape));
  }
  return tensor;
}

void read_row(const io::Tensor& matrix, std::size_t row, std::span<float> values, const LoadOptions& options) {
  io::convert_to_f32(matrix, row * values.size(), values);
  if (options.adapter != nullptr) options.adapter->add_to_row(matrix.name, row, values);
}

std::optional<std::size_t> HeadLayout::source(std::size_t padded) const {
  if (!halves) return padded < dim ? std::optional(padded) : std::nullopt;
  const std::size_t half = dim / 2, padded_half = padded_dim / 2;
  const std::size_t in_half = padded % padded_half;
  return in_half < half ? std::optional(padded / padded_half * half + in_half) : std::nullopt;
}

std::vector<float> to_f32(const io::Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  io::convert_to_f32(tensor, 0, values);
  return values;
}

Result<kernels::PackedWeight> load_linear(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                          std::size_t in, Bias bias, const LoadOptions& options) {
  const io::WeightScope linear = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, load_matrix(linear, "weight", {out, in}, options));
  RERANK_ASSIGN(const std::vector<float> biases, read_bias(linear, out, bias, options));
  const auto row = [&](std::size_t r, std::span<float> values) { read_row(weight, r, values, options); };
  auto packed = kernels::PackedWeight::pack(out, in, options.element, row, biases, options.threads, "weights");
  io::release(weight);
  return packed;
}

Result<kernels::PackedWeight> load_projections(const io::WeightScope& scope,
                                               std::initializer_list<Projection> projections, std::size_t in, Bias bias,
                                               const LoadOptions& options) {
  struct Row {
    const io::Tensor* weight;
    std::optional<std::size_t> source;
  };
  std::vector<io::Tensor> weights;
  weights.reserve(projections.size());
  std::vector<Row> rows;
  std::vector<float> biases;
  for (const Projection& projection : projections) {
    const HeadLayout& heads = projection.heads;
    const io::WeightScope linear = scope.scope(projection.name);
    RERANK_ASSIGN(io::Tensor weight, load_matrix(linear, "weight", {heads.width(), in}, options));
    RERANK_ASSIGN(const std::vector<float> plain, read_bias(linear, heads.width(), bias, options));
    weights.push_back(weight);
    std::vector<float> padded(heads.padded_width());
    spread_heads(plain, heads, padded);
    biases.insert(biases.end(), padded.begin(), padded.end());
    for (std::size_t r = 0; r < heads.padded_width(); ++r) {
      const auto source = heads.source(r % heads.padded_dim);
      rows.push_back({&weights.back(), source ? std::optional(r / heads.padded_dim * heads.dim + *source) : source});
    }
  }
  const auto row = [&](std::size_t r, std::span<float> values) {
    if (rows[r].source) {
      read_row(*rows[r].weight, *rows[r].source, values, options);
    } else {
      std::fill(values.begin(), values.end(), 0.0f);
    }
  };
  auto packed = kernels::PackedWeight::pack(rows.size(), in, options.element, row, biases, options.threads, "weights");
  for (const io::Tensor& weight : weights) io::release(weight);
  return packed;
}

Result<kernels::PackedWeight> load_head_output(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                               const HeadLayout& heads, Bias bias, const LoadOptions& options) {
  const io::WeightScope linear = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, load_matrix(linear, "weight", {out, heads.width()}, options));
  RERANK_ASSIGN(const std::vector<float> biases, read_bias(linear, out, bias, options));
  const auto row = [&](std::size_t r, std::span<float> values) {
    if (heads.dim == heads.padded_dim) return read_row(weight, r, values, options);
    std::vector<float> plain(heads.width());
    read_row(weight, r, plain, options);
    spread_heads(plain, heads, values);
  };
  auto packed =
      kernels::PackedWeight::pack(out, heads.padded_width(), options.element, row, biases, options.threads, "weights");
  io::release(weight);
  return packed;
}

Result<kernels::PackedWeight> load_gate_up(const io::WeightScope& scope, std::string_view gate, std::string_view up,
                                           std::size_t ffn, std::size_t in, const LoadOptions& options) {
  RERANK_ASSIGN(const io::Tensor gates, load_matrix(scope.scope(gate), "weight", {ffn, in}, options));
  RERANK_ASSIGN(const io::Tensor values_they_gate, load_matrix(scope.scope(up), "weight", {ffn, in}, options));
  constexpr std::size_t kHalf = kernels::kPanel / 2;
  const auto row = [&](std::size_t r, std::span<float> values) {
    const std::size_t source = r / kernels::kPanel * kHalf + r % kHalf;
    if (source < ffn) {
      read_row(r % kernels::kPanel < kHalf ? gates : values_they_gate, source, values, options);
    } else {
      std::fill(values.begin(), values.end(), 0.0f);
    }
  };
  auto packed = kernels::PackedWeight::pack(2 * kernels::round_up(ffn, kernels::kPanel), in, options.element, row, {},
                                            options.threads, "weights");
  io::release(gates);
  io::release(values_they_gate);
  return packed;
}

Result<kernels::PackedWeight> load_rows(const io::Tensor& matrix, std::span<const std::int32_t> rows, std::size_t in,
                                        const LoadOptions& options) {
  const auto row = [&](std::size_t r, std::span<float> values) {
    read_row(matrix, static_cast<std::size_t>(rows[r]), values, options);
  };
  return kernels::PackedWeight::pack(rows.size(), in, options.element, row, {}, options.threads, "weights");
}

Result<kernels::NormWeights> load_layer_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                             float eps) {
  const io::WeightScope norm = scope.scope(name);
  RERANK_ASSIGN(const io::Tensor weight, norm.tensor("weight", {cols}));
  RERANK_ASSIGN(const io::Tensor bias, norm.tensor("bias", {cols}));
  return kernels::NormWeights::make(to_f32(weight), to_f32(bias), eps);
}

Result<kernels::RmsNormWeights> load_rms_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                              float offset, float eps, const LoadOptions& options) {
  RERANK_ASSIGN(const io::Tensor tensor, load_matrix(scope.scope(name), "weight", {cols}, options));
  std::vector<float> weight(cols);
  read_row(tensor, 0, weight, options);
  for (float& value : weight) value += offset;
  return kernels::RmsNormWeights::make(weight, eps);
}

}  // namespace rerank::models
