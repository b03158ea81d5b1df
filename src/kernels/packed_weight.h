// A weight matrix in the layout that the products read (kernel_table.h, "panels"), with its bias.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/aligned_buffer.h"
#include "kernels/kernel_table.h"
#include "rerank/error.h"

namespace rerank::kernels {

class PackedWeight {
 public:
  // Fills `values` [in] with row `row` of the weight [out, in], as f32. Called from several threads at once.
  using RowReader = std::function<void(std::size_t row, std::span<float> values)>;

  // `bias` is [out], or empty for none. bf16 rounds to nearest even. `purpose` names the weight if memory runs out.
  static Result<PackedWeight> pack(std::size_t out, std::size_t in, Element element, const RowReader& rows,
                                   std::span<const float> bias, int threads, const char* purpose);

  // The integers of one panel of 32 outputs, all zero to begin with: the weight of output j and input k is
  // (values[k * 32 + j] - zeros[k / kGroup * 32 + j]) * scales[the same].
  struct QuantizedPanel {
    std::uint8_t* values;  // [in][kPanel], below 2^bits
    float* scales;         // [groups_of(in)][kPanel], finite
    std::uint8_t* zeros;
  };
  // Fills the outputs that panel `panel` has. Called from several threads at once.
  using QuantizedReader = std::function<void(std::size_t panel, const QuantizedPanel& values)>;

  // The same for integers as they are, kInt8 or kInt4.
  static Result<PackedWeight> pack_quantized(std::size_t out, std::size_t in, WeightFormat format,
                                             const QuantizedReader& panels, std::span<const float> bias, int threads,
                                             const char* purpose);

  // The same as kW8A8: each row with the scale that makes its largest magnitude 127. `rows` are those of pack(), or
  // integers with other scales.
  static Result<PackedWeight> pack_w8a8(std::size_t out, std::size_t in, const RowReader& rows,
                                        std::span<const float> bias, int threads, const char* purpose);
  static Result<PackedWeight> pack_w8a8(std::size_t out, std::size_t in, const QuantizedReader& panels,
                                        std::span<const float> bias, int threads, const char* purpose);

  // Row `row` of the weight, [in], as it was rounded. For embedding tables that are held as the vocabulary's weight.
  void unpack_row(std::size_t row, std::span<float> values) const;

  const void* panels() const { return buffer_.data() + bias_bytes(); }
  const float* bias() const { return buffer_.as<float>(); }
  std::size_t out() const { return out_; }  // padded to kPanel, and so is in()
  std::size_t in() const { return in_; }
  WeightFormat format() const { return format_; }
  std::size_t bytes() const { return buffer_.size(); }

 private:
  // An empty weight with its bias.
  static Result<PackedWeight> allocate(std::size_t out, std::size_t in, WeightFormat format,
                                       std::span<const float> bias, const char* purpose);
  std::byte* panel(std::size_t index) { return buffer_.data() + bias_bytes() + index * panel_bytes(format_, in_); }
  std::size_t bias_bytes() const { return round_up(out_ * sizeof(float), kTileBytes); }

  AlignedBuffer buffer_;  // bias, then panels
  std::size_t out_ = 0, in_ = 0;
  WeightFormat format_ = WeightFormat::kF32;
};

// The same, with the axes in its type: Weight<Ffn, Hidden> turns Hidden columns into Ffn columns.
template <class Out, class In>
struct Weight : PackedWeight {
  Weight() = default;
  explicit Weight(PackedWeight packed) : PackedWeight(std::move(packed)) {}
};

}  // namespace rerank::kernels
