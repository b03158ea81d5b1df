// A weight matrix in the layout that the products read (kernel_table.h, "panels"), with its bias.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "kernels/kernel_table.h"
#include "rerank/error.h"

namespace rerank::kernels {

// Cheap to copy: copies share their memory, which nobody changes.
class PackedWeight {
 public:
  PackedWeight() = default;

  // Fills `values` [in] with row `row` of the weight [out, in], as f32. Called from several threads at once.
  using RowReader = std::function<void(std::size_t row, std::span<float> values)>;

  // `bias` is [out], or empty for none. bf16 rounds to nearest even. `purpose` names the weight if memory runs out.
  static Result<PackedWeight> pack(std::size_t out, std::size_t in, Element element, const RowReader& rows,
                                   std::span<const float> bias, int threads, const char* purpose);

  // The row `row` of a weight [out, in] that is bf16 already, aligned to nothing; nullptr: all zeros.
  using Bf16Rows = std::function<const std::byte*(std::size_t row)>;
  // The same as pack() of these rows as bf16.
  static Result<PackedWeight> pack_bf16(std::size_t out, std::size_t in, const Bf16Rows& rows,
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

  // One that was packed before: `data` is what its data() was, bytes_of() long, aligned to kLineBytes.
  static PackedWeight packed_before(std::size_t out, std::size_t in, WeightFormat format,
                                    std::shared_ptr<const std::byte> data);
  static std::size_t bytes_of(std::size_t out, std::size_t in, WeightFormat format) {
    return PackedWeight(out, in, format).bytes();
  }

  // Row `row` of the weight, [in], as it was rounded. For embedding tables that are held as the vocabulary's weight.
  void unpack_row(std::size_t row, std::span<float> values) const;

  // Bias and panels.
  std::span<const std::byte> data() const { return {data_.get(), bytes()}; }
  const void* panels() const { return data_.get() + bias_bytes(); }
  const float* bias() const { return reinterpret_cast<const float*>(data_.get()); }
  std::size_t out() const { return out_; }  // padded to kPanel, and so is in()
  std::size_t in() const { return in_; }
  WeightFormat format() const { return format_; }
  std::size_t bytes() const { return bias_bytes() + out_ / kPanel * panel_bytes(format_, in_); }

 private:
  class Unfinished;
  PackedWeight(std::size_t out, std::size_t in, WeightFormat format)
      : out_(round_up(out, kPanel)), in_(round_up(in, kPanel)), format_(format) {}
  std::size_t bias_bytes() const { return round_up(out_ * sizeof(float), kTileBytes); }

  std::shared_ptr<const std::byte> data_;  // bias, then panels
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
