#include "models/load_weights.h"

#include <fmt/format.h>

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

// Whether the rows of a matrix need no more than to be put in another order.
bool is_packed_as_it_is(const io::Tensor& matrix, const LoadOptions& options) {
  return options.element == kernels::Element::kBf16 && matrix.dtype == io::Dtype::kBF16 && options.adapter == nullptr;
}
// Row `row` of a matrix [any, in] of bf16.
const std::byte* row_bytes(const io::Tensor& matrix, std::size_t row, std::size_t in) {
  return matrix.bytes.data() + row * in * sizeof(std::uint16_t);
}

// The linear layers whose rows make up one packed weight: all of floats, or all quantized.
class LinearLayers {
 public:
  LinearLayers(std::size_t in, const LoadOptions& options) : in_(in), options_(&options) {}

  // The next one, [out, in].
  Status add(const io::WeightScope& linear, std::size_t out) {
    name_ += (name_.empty() ? "" : " + ") + linear.path();
    if (options_->quantization != Quantization::kNone && QuantizedMatrix::is_at(linear)) {
      RERANK_ASSIGN(QuantizedMatrix matrix, QuantizedMatrix::open(linear, options_->quantization, out, in_));
      if (options_->adapter != nullptr && options_->adapter->touches(linear.path() + ".weight"))
        return Error{Error::Code::kUnsupported, "the adapter changes a quantized weight", matrix.qweight.where(),
                     "use the adapter with the checkpoint that was not quantized"};
      quantized_.push_back(matrix);
    } else {
      RERANK_ASSIGN(const io::Tensor weight, load_matrix(linear, "weight", {out, in_}, *options_));
      floats_.push_back(weight);
    }
    if (quantized_.empty() || floats_.empty()) return {};
    return Error{Error::Code::kUnsupported, "one of several layers that are held together is quantized, another is not",
                 linear.path(), ""};
  }
  bool quantized() const { return !quantized_.empty(); }

  // Row `row` of layer `layer`; zeros where there is no row.
  struct Source {
    std::size_t layer = 0;
    std::optional<std::size_t> row;
  };
  template <class SourceOf>
  Result<kernels::PackedWeight> pack(std::size_t out, const SourceOf& source_of, std::span<const float> bias) const {
    const auto row = [&](std::size_t r, std::span<float> values) {
      const Source source = source_of(r);
      if (source.row) return read(source, values);
      std::fill(values.begin(), values.end(), 0.0f);
    };
    if (!quantized() && !as_they_are()) return pack_floats(out, in_, row, bias);
    return from_cache_or(out, in_, [&] {
      if (!quantized()) return pack_as_they_are(out, source_of, bias);
      const auto quantized_row = [&](std::size_t r) {
        const Source source = source_of(r);
        return source.row ? QuantizedRow{&quantized_[source.layer], *source.row} : QuantizedRow{};
      };
      return pack_quantized(options_->quantization, out, in_, quantized_row, bias, options_->threads,
                            options_->integer_layers);
    });
  }

  // The same for floats alone, with rows of another width.
  Result<kernels::PackedWeight> pack_floats(std::size_t out, std::size_t in,
                                            const kernels::PackedWeight::RowReader& row,
                                            std::span<const float> bias) const {
    return from_cache_or(out, in, [&] {
      return options_->integer_layers
                 ? kernels::PackedWeight::pack_w8a8(out, in, row, bias, options_->threads, "weights")
                 : kernels::PackedWeight::pack(out, in, options_->element, row, bias, options_->threads, "weights");
    });
  }
  void read(const Source& source, std::span<float> values) const {
    read_row(floats_[source.layer], *source.row, values, *options_);
  }

 private:
  // Whether rows are packed as the file has them.
  bool as_they_are() const {
    return !options_->integer_layers && std::all_of(floats_.begin(), floats_.end(), [&](const io::Tensor& weight) {
      return is_packed_as_it_is(weight, *options_);
    });
  }
  template <class SourceOf>
  Result<kernels::PackedWeight> pack_as_they_are(std::size_t out, const SourceOf& source_of,
                                                 std::span<const float> bias) const {
    const auto row = [&](std::size_t r) {
      const Source source = source_of(r);
      return source.row ? row_bytes(floats_[source.layer], *source.row, in_) : nullptr;
    };
    return kernels::PackedWeight::pack_bf16(out, in_, row, bias, options_->threads, "weights");
  }
  kernels::WeightFormat format() const {
    if (options_->integer_layers) return kernels::WeightFormat::kW8A8;
    return quantized() ? format_of(options_->quantization) : kernels::format_of(options_->element);
  }
  template <class Pack>
  Result<kernels::PackedWeight> from_cache_or(std::size_t out, std::size_t in, const Pack& pack) const {
    auto packed = find_or_pack(options_->cache, name_, out, in, format(), pack);
    for (const io::Tensor& weight : floats_) io::release(weight);
    for (const QuantizedMatrix& matrix : quantized_) matrix.release();
    return packed;
  }

  std::string name_;  // of all of them
  std::size_t in_;
  const LoadOptions* options_;
  std::vector<io::Tensor> floats_;
  std::vector<QuantizedMatrix> quantized_;
};

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
  LinearLayers layers(in, options);
  RERANK_TRY(layers.add(linear, out));
  RERANK_ASSIGN(const std::vector<float> biases, read_bias(linear, out, bias, options));
  return layers.pack(
      out,
      [](std::size_t r) {
        return LinearLayers::Source{0, r};
      },
      biases);
}

Result<kernels::PackedWeight> load_projections(const io::WeightScope& scope,
                                               std::initializer_list<Projection> projections, std::size_t in, Bias bias,
                                               const LoadOptions& options) {
  LinearLayers layers(in, options);
  std::vector<LinearLayers::Source> rows;
  std::vector<float> biases;
  for (std::size_t layer = 0; const Projection& projection : projections) {
    const HeadLayout& heads = projection.heads;
    const io::WeightScope linear = scope.scope(projection.name);
    RERANK_TRY(layers.add(linear, heads.width()));
    RERANK_ASSIGN(const std::vector<float> plain, read_bias(linear, heads.width(), bias, options));
    std::vector<float> padded(heads.padded_width());
    spread_heads(plain, heads, padded);
    biases.insert(biases.end(), padded.begin(), padded.end());
    for (std::size_t r = 0; r < heads.padded_width(); ++r) {
      const auto source = heads.source(r % heads.padded_dim);
      rows.push_back({layer, source ? std::optional(r / heads.padded_dim * heads.dim + *source) : source});
    }
    ++layer;
  }
  return layers.pack(
      rows.size(), [&](std::size_t r) { return rows[r]; }, biases);
}

Result<kernels::PackedWeight> load_head_output(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                               const HeadLayout& heads, Bias bias, const LoadOptions& options) {
  const io::WeightScope linear = scope.scope(name);
  LinearLayers layers(heads.width(), options);
  RERANK_TRY(layers.add(linear, out));
  RERANK_ASSIGN(const std::vector<float> biases, read_bias(linear, out, bias, options));
  if (heads.dim == heads.padded_dim)
    return layers.pack(
        out,
        [](std::size_t r) {
          return LinearLayers::Source{0, r};
        },
        biases);
  if (layers.quantized())
    return Error{Error::Code::kUnsupported,
                 fmt::format("a quantized weight for heads of {} dimensions, expected a multiple of {}", heads.dim,
                             kernels::kPanel),
                 linear.path(), "use the checkpoint that was not quantized"};
  const auto row = [&](std::size_t r, std::span<float> values) {
    std::vector<float> plain(heads.width());
    layers.read({0, r}, plain);
    spread_heads(plain, heads, values);
  };
  return layers.pack_floats(out, heads.padded_width(), row, biases);
}

Result<kernels::PackedWeight> load_gate_up(const io::WeightScope& scope, std::string_view gate, std::string_view up,
                                           std::size_t ffn, std::size_t in, const LoadOptions& options) {
  LinearLayers layers(in, options);
  RERANK_TRY(layers.add(scope.scope(gate), ffn));
  RERANK_TRY(layers.add(scope.scope(up), ffn));
  constexpr std::size_t kHalf = kernels::kPanel / 2;
  const auto source_of = [&](std::size_t r) {
    const std::size_t source = r / kernels::kPanel * kHalf + r % kHalf;
    return LinearLayers::Source{r % kernels::kPanel / kHalf, source < ffn ? std::optional(source) : std::nullopt};
  };
  return layers.pack(2 * kernels::round_up(ffn, kernels::kPanel), source_of, {});
}

Result<kernels::PackedWeight> load_rows(const io::Tensor& matrix, std::span<const std::int32_t> rows, std::size_t in,
                                        const LoadOptions& options) {
  if (is_packed_as_it_is(matrix, options)) {
    const auto row = [&](std::size_t r) { return row_bytes(matrix, static_cast<std::size_t>(rows[r]), in); };
    return kernels::PackedWeight::pack_bf16(rows.size(), in, row, {}, options.threads, "weights");
  }
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
