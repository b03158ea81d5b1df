// A weight matrix in the layout that the products read (kernel_table.h, "panels"), with its bias.
#pragma once

#include <cstddef>
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

  // Row `row` of the weight, [in], as it was rounded. For embedding tables that are held as the vocabulary's weight.
  void unpack_row(std::size_t row, std::span<float> values) const;

  const void* panels() const { return buffer_.data() + bias_bytes(); }
  const float* bias() const { return buffer_.as<float>(); }
  std::size_t out() const { return out_; }  // padded to kPanel, and so is in()
  std::size_t in() const { return in_; }
  Element element() const { return element_; }
  std::size_t bytes() const { return buffer_.size(); }

 private:
  std::size_t bias_bytes() const { return round_up(out_ * sizeof(float), kTileBytes); }

  AlignedBuffer buffer_;  // bias, then panels
  std::size_t out_ = 0, in_ = 0;
  Element element_ = Element::kF32;
};

// The same, with the axes in its type: Weight<Ffn, Hidden> turns Hidden columns into Ffn columns.
template <class Out, class In>
struct Weight : PackedWeight {
  Weight() = default;
  explicit Weight(PackedWeight packed) : PackedWeight(std::move(packed)) {}
};

}  // namespace rerank::kernels
