// Any file gives a packed weight of a quantized layer or an Error, without reading outside of the file.
//
// An input is one byte for the format (even: int4, odd: int8), one for the outputs in fours, one for the inputs in
// eights, and then model.safetensors with the layer "l".
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "io/checkpoint.h"
#include "models/load_weights.h"

namespace {

using namespace rerank;

void check(const Error& error) {
  if (error.what.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeader = 3;
  if (size < kHeader) return 0;
  const auto quantization = data[0] % 2 == 0 ? models::Quantization::kInt4 : models::Quantization::kInt8;
  const std::size_t out = 4 * std::size_t{data[1]}, in = 8 * std::size_t{data[2]};
  if (out == 0 || in == 0) return 0;
  const auto file = std::as_bytes(std::span(data + kHeader, size - kHeader));
  const auto checkpoint = io::Checkpoint::from_memory({"fuzz", "{}", file, "{}", "{}"});
  if (!checkpoint.ok()) {
    check(checkpoint.error());
    return 0;
  }
  const auto packed = models::load_linear(checkpoint.value().weights(), "l", out, in, models::Bias::kNone,
                                          {kernels::Element::kF32, 1, nullptr, quantization});
  if (!packed.ok()) {
    check(packed.error());
    return 0;
  }
  // A head of one row is packed from one row, to the same numbers.
  const auto matrix = models::QuantizedMatrix::open(checkpoint.value().weights().scope("l"), quantization, out, in);
  std::vector<float> row(in), read(in);
  for (std::size_t o = 0; o < out; ++o) {
    packed.value().unpack_row(o, row);
    if (!matrix.ok()) continue;  // its layer had floats
    const auto only = [&](std::size_t) { return models::QuantizedRow{&matrix.value(), o}; };
    models::pack_quantized(quantization, 1, in, only, {}, 1, false).value().unpack_row(0, read);
    for (std::size_t i = 0; i < in; ++i)
      if (row[i] != read[i] && !(std::isnan(row[i]) && std::isnan(read[i]))) std::abort();
  }
  return 0;
}
