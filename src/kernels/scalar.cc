// The portable level: plain C++, whatever the CPU. Also the slow twin that shows what the others should compute.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace rerank::kernels {
namespace scalar {
namespace {

#include "kernels/vec_scalar.h"
//
#include "kernels/common-inl.h"
//
#include "kernels/activation-inl.h"

constexpr bool kNativeBf16 = false;
inline void begin_products() {}
inline void end_products() {}

// Innermost over the 32 outputs, which compilers turn into whatever vectors the baseline has.
template <>
struct BlockProduct<Element::kF32> {
  static constexpr bool kChains = false;  // in one lane they would be slower than over a panel
  static constexpr bool kAsksAhead = false;
  static constexpr bool kScalesSums = false;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work&) {
    for (std::size_t row = 0; row < rows; ++row) {
      const std::byte* x = left.data + row / kTileRows * left.tile_stride + row % kTileRows * left.row_stride;
      float sums[kPanel] = {};
      if (accumulate) std::memcpy(sums, c + row * c_stride, sizeof sums);
      for (std::size_t line = 0; line < lines; ++line) {
        const float* w = reinterpret_cast<const float*>(panel.line(line));
        for (std::size_t k = 0; k < kLineBytes / sizeof(float); ++k, w += kPanel) {
          const float value = reinterpret_cast<const float*>(x + line * left.line_stride)[k];
          for (std::size_t j = 0; j < kPanel; ++j) sums[j] += value * w[j];
        }
      }
      std::memcpy(c + row * c_stride, sums, sizeof sums);
    }
  }
};

template <>
struct BlockProduct<Element::kU8> {
  static constexpr bool kAsksAhead = false;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work&) {
    for (std::size_t row = 0; row < rows; ++row) {
      const std::byte* x = row_of(left, row);
      std::int32_t sums[kPanel] = {};
      if (accumulate) std::memcpy(sums, c + row * c_stride, sizeof sums);
      for (std::size_t line = 0; line < lines; ++line) {
        const auto* inputs = reinterpret_cast<const std::uint8_t*>(x + line * left.line_stride);
        const auto* w = reinterpret_cast<const std::int8_t*>(panel.line(line));
        for (std::size_t k = 0; k < kLineBytes; k += 4, w += 4 * kPanel)
          for (std::size_t j = 0; j < kPanel; ++j)
            for (std::size_t i = 0; i < 4; ++i) sums[j] += inputs[k + i] * w[4 * j + i];
      }
      std::memcpy(c + row * c_stride, sums, sizeof sums);
    }
  }
};

#include "kernels/widen-inl.h"
//
#include "kernels/epilogue-inl.h"
//
#include "kernels/linear-inl.h"
//
#include "kernels/quantize_rows-inl.h"
//
#include "kernels/rowwise-inl.h"
//
#include "kernels/softmax-inl.h"
//
#include "kernels/attention-inl.h"
//
#include "kernels/pages-inl.h"
//
#include "kernels/causal_attention-inl.h"

}  // namespace
}  // namespace scalar

const KernelTable* scalar_table() {
  static constexpr KernelTable table{false,
                                     scalar::linear,
                                     scalar::attention,
                                     scalar::layer_norm,
                                     scalar::rotate_queries,
                                     scalar::store_keys_values,
                                     scalar::causal_attention,
                                     scalar::rms_norm,
                                     scalar::exp_sums,
                                     scalar::quantize_rows,
                                     scalar::to_tiles};
  return &table;
}

}  // namespace rerank::kernels
