// From tensors as a checkpoint stores them to weights as the kernels read them. Each tensor's file pages are given back
// once it is packed, so that no weight is kept twice.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "io/weights.h"
#include "kernels/ops.h"
#include "kernels/packed_weight.h"
#include "models/lora.h"
#include "models/quantized_matrix.h"
#include "models/weight_cache.h"
#include "rerank/error.h"

namespace rerank::models {

struct LoadOptions {
  kernels::Element element = kernels::Element::kF32;  // how matrices are held
  int threads = 1;                                    // for packing
  const LoraAdapter* adapter = nullptr;               // merged into what is read; nullptr: none
  Quantization quantization = Quantization::kNone;    // what linear layers may be instead of floats
  bool integer_layers = false;                        // linear layers are held as kW8A8, whatever they are
  WeightCache* cache = nullptr;  // asked for each matrix first; nullptr: none. None with an adapter.
};

enum class Bias : bool { kNone, kRequired };

// A hidden dimension made of `heads` heads of `dim` columns, each padded to `padded_dim` with zeros.
struct HeadLayout {
  std::size_t heads = 1, dim = 0, padded_dim = 0;
  // Rotary embedding pairs column i with i + dim / 2: then each half of a head is padded by itself, so that the pairs
  // lie padded_dim / 2 apart. Products of two heads that are both laid out like this are what they were.
  bool halves = false;

  std::size_t width() const { return heads * dim; }
  std::size_t padded_width() const { return heads * padded_dim; }
  // Which of the head's own columns lies at column `padded` of the padded head; none for padding.
  std::optional<std::size_t> source(std::size_t padded) const;
};

// Where options.quantization says so, the "NAME.weight" [out, in] of a linear layer below may be quantized tensors
// (quantized_matrix.h). They are packed as they are, whatever options.element is, but for options.integer_layers.
// kUnsupported when the adapter touches them.

// "NAME.weight" [out, in] with "NAME.bias" [out].
Result<kernels::PackedWeight> load_linear(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                          std::size_t in, Bias bias, const LoadOptions& options);

// Several projections [heads * dim, in], one below the other, with padded heads: [sum of padded_width, in].
struct Projection {
  std::string_view name;
  HeadLayout heads;
};
Result<kernels::PackedWeight> load_projections(const io::WeightScope& scope,
                                               std::initializer_list<Projection> projections, std::size_t in, Bias bias,
                                               const LoadOptions& options);

// "NAME.weight" [out, heads * dim] with "NAME.bias" [out], for inputs with padded heads. Quantized weights cannot be
// padded between inputs that share a scale: kUnsupported unless dim == padded_dim.
Result<kernels::PackedWeight> load_head_output(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                               const HeadLayout& heads, Bias bias, const LoadOptions& options);

// Two matrices [ffn, in] as a gated activation reads them (kernels::Activation): [2 * padded ffn, in].
Result<kernels::PackedWeight> load_gate_up(const io::WeightScope& scope, std::string_view gate, std::string_view up,
                                           std::size_t ffn, std::size_t in, const LoadOptions& options);

// Rows of a matrix [any, in], in the order given. The adapter must have been asked about the matrix (load_matrix).
Result<kernels::PackedWeight> load_rows(const io::Tensor& matrix, std::span<const std::int32_t> rows, std::size_t in,
                                        const LoadOptions& options);

// A tensor whose rows are read later, through read_row().
Result<io::Tensor> load_matrix(const io::WeightScope& scope, std::string_view name,
                               std::initializer_list<std::size_t> shape, const LoadOptions& options);
// Row `row` of `matrix` [any, values.size()], the adapter merged into it.
void read_row(const io::Tensor& matrix, std::size_t row, std::span<float> values, const LoadOptions& options);

// "NAME.weight" and "NAME.bias" [cols].
Result<kernels::NormWeights> load_layer_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                             float eps);

// "NAME.weight" [cols]; the norm multiplies by offset + weight.
Result<kernels::RmsNormWeights> load_rms_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                              float offset, float eps, const LoadOptions& options);

// All of a tensor as f32.
std::vector<float> to_f32(const io::Tensor& tensor);

}  // namespace rerank::models
