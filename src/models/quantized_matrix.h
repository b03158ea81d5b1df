// Checkpoints whose linear layers are integers with a scale and a zero for each output and each group of 128 inputs:
// AWQ's 4 bits (Lin et al. 2023; AutoAWQ's WQLinear_GEMM for the layout) and our own 8 bits (decision 0008).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "io/json.h"
#include "io/weights.h"
#include "kernels/packed_weight.h"
#include "rerank/error.h"

namespace rerank::models {

enum class Quantization : std::uint8_t { kNone, kInt4, kInt8 };

// The names in "quant_method" of config.json.
inline constexpr std::string_view kInt4Method = "awq";
inline constexpr std::string_view kInt8Method = "rerank-int8";
// The key beside it that names the vocabulary's method.
inline constexpr std::string_view kVocabularyKey = "vocabulary";

// What "quantization_config" of config.json says; kNone where there is none. kUnsupported, naming key and value, for
// every method, version and size but AWQ "gemm" with 4 bits and rerank-int8 with 8, both with groups of 128 and zeros.
// Which modules are not converted is left to the tensors: those have a "weight".
Result<Quantization> read_quantization(const io::Json& config);

// What "vocabulary" in "quantization_config" says of the product with the vocabulary: kInt8, or kNone where nothing is
// said. Its tensors are those of the layer "lm_head", whatever the other layers are. kUnsupported for everything else.
Result<Quantization> read_vocabulary_quantization(const io::Json& config);

// The "quant_method" that says so; empty for kNone.
constexpr std::string_view name_of(Quantization quantization) {
  if (quantization == Quantization::kNone) return "";
  return quantization == Quantization::kInt4 ? kInt4Method : kInt8Method;
}

// How the integers of neighbouring outputs share a word of 32 bits. `quantization` is not kNone.
constexpr kernels::WeightFormat format_of(Quantization quantization) {
  return quantization == Quantization::kInt4 ? kernels::WeightFormat::kInt4 : kernels::WeightFormat::kInt8;
}
constexpr std::size_t outputs_in_word(Quantization quantization) {
  return 32 / kernels::bits_of(format_of(quantization));
}
// Where in its word the integer of an output begins. AWQ takes even outputs first, then the odd ones.
constexpr unsigned shift_of(Quantization quantization, std::size_t output) {
  constexpr unsigned kAwqField[] = {0, 4, 1, 5, 2, 6, 3, 7};
  return quantization == Quantization::kInt4 ? 4 * kAwqField[output % 8] : 8 * static_cast<unsigned>(output % 4);
}
// Why a layer [out, in] cannot be held so, as a phrase; empty where it can. AWQ has whole groups only, our int8 ends
// with a group of what is left.
std::string why_not_quantized(Quantization quantization, std::size_t out, std::size_t in);

// One linear layer [out, in]. Its tensors are transposed, and outputs_in_word() = n neighbouring outputs share a word:
//   qweight  I32 [in, out / n]
//   qzeros   I32 [groups, out / n]      groups = in / 128, rounded up
//   scales       [groups, out]          F16 in files that we write
// The weight of output o and input i is (q[i, o] - z[i / 128, o]) * s[i / 128, o].
struct QuantizedMatrix {
  Quantization quantization = Quantization::kNone;
  io::Tensor qweight, qzeros, scales;

  // Is the layer at this scope one?
  static bool is_at(const io::WeightScope& linear) { return linear.has("qweight"); }
  // kNotFound, kCorrupt (naming the tensor whose shape it is) or kUnsupported.
  static Result<QuantizedMatrix> open(const io::WeightScope& linear, Quantization quantization, std::size_t out,
                                      std::size_t in);
  // Gives the file's pages back.
  void release() const;
};

// What becomes one row of a packed weight: an output of a matrix, or zeros where there is no matrix.
struct QuantizedRow {
  const QuantizedMatrix* matrix = nullptr;
  std::size_t output = 0;
};

// The rows 0 .. out - 1 of several matrices of one quantization with `in` inputs, their integers as they are, or
// rounded once more to those of kW8A8.
Result<kernels::PackedWeight> pack_quantized(Quantization quantization, std::size_t out, std::size_t in,
                                             const std::function<QuantizedRow(std::size_t row)>& rows,
                                             std::span<const float> bias, int threads, bool as_w8a8);

}  // namespace rerank::models
