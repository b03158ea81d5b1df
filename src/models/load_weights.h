// From tensors as a checkpoint stores them to weights as the kernels read them. Each tensor's file pages are given back
// once it is packed, so that no weight is kept twice.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "io/weights.h"
#include "kernels/ops.h"
#include "kernels/packed_weight.h"
#include "rerank/error.h"

namespace rerank::models {

struct LoadOptions {
  kernels::Element element = kernels::Element::kF32;  // how matrices are held
  int threads = 1;                                    // for packing
};

// A hidden dimension made of `heads` heads of `dim` columns, each padded to `padded_dim` with zeros.
struct HeadLayout {
  std::size_t heads = 1, dim = 0, padded_dim = 0;
  std::size_t width() const { return heads * dim; }
  std::size_t padded_width() const { return heads * padded_dim; }
};

// "NAME.weight" [out, in] with "NAME.bias" [out].
Result<kernels::PackedWeight> load_linear(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                          std::size_t in, const LoadOptions& options);

// Several such projections [heads * dim, in], one below the other, with padded heads: [names * padded_width, in].
Result<kernels::PackedWeight> load_projections(const io::WeightScope& scope,
                                               std::initializer_list<std::string_view> names, const HeadLayout& heads,
                                               std::size_t in, const LoadOptions& options);

// "NAME.weight" [out, heads * dim] with "NAME.bias" [out], for inputs with padded heads.
Result<kernels::PackedWeight> load_head_output(const io::WeightScope& scope, std::string_view name, std::size_t out,
                                               const HeadLayout& heads, const LoadOptions& options);

// "NAME.weight" and "NAME.bias" [cols].
Result<kernels::NormWeights> load_layer_norm(const io::WeightScope& scope, std::string_view name, std::size_t cols,
                                             float eps);

// All of a tensor as f32.
std::vector<float> to_f32(const io::Tensor& tensor);

}  // namespace rerank::models
