#include "kernels/packed_weight.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "base/parallel.h"
#include "base/try.h"

namespace rerank::kernels {
namespace {

// One panel: 32 rows of the weight, given as f32 rows [32][in].
void pack_panel(const float* rows, std::size_t in, Element element, void* panel) {
  if (element == Element::kF32) {
    auto* to = static_cast<float*>(panel);
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t j = 0; j < kPanel; ++j) to[k * kPanel + j] = rows[j * in + k];
    return;
  }
  auto* to = static_cast<std::uint32_t*>(panel);
  for (std::size_t k = 0; k < in; k += 2)
    for (std::size_t j = 0; j < kPanel; ++j) {
      const float* pair = rows + j * in + k;
      to[k / 2 * kPanel + j] = f32_to_bf16(pair[0]) | std::uint32_t{f32_to_bf16(pair[1])} << 16;
    }
}

}  // namespace

Result<PackedWeight> PackedWeight::pack(std::size_t out, std::size_t in, Element element, const RowReader& rows,
                                        std::span<const float> bias, int threads, const char* purpose) {
  PackedWeight packed;
  packed.out_ = round_up(out, kPanel);
  packed.in_ = round_up(in, kPanel);
  packed.element_ = element;
  const std::size_t panel_bytes = packed.in_ * kPanel * size_of(element);
  const std::size_t panels = packed.out_ / kPanel;
  RERANK_ASSIGN(packed.buffer_, AlignedBuffer::allocate(packed.bias_bytes() + panels * panel_bytes, purpose));
  std::copy(bias.begin(), bias.end(), packed.buffer_.as<float>());
  std::byte* to = packed.buffer_.data() + packed.bias_bytes();
  parallel_for(panels, threads, [&](std::size_t panel) {
    std::vector<float> values(kPanel * packed.in_);
    for (std::size_t j = 0; j < std::min(kPanel, out - panel * kPanel); ++j)
      rows(panel * kPanel + j, {values.data() + j * packed.in_, in});
    pack_panel(values.data(), packed.in_, element, to + panel * panel_bytes);
  });
  return packed;
}

void PackedWeight::unpack_row(std::size_t row, std::span<float> values) const {
  const auto* panel = static_cast<const std::byte*>(panels()) + row / kPanel * in_ * kPanel * size_of(element_);
  const std::size_t column = row % kPanel;
  if (element_ == Element::kF32) {
    const auto* from = reinterpret_cast<const float*>(panel);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = from[k * kPanel + column];
  } else {
    const auto* from = reinterpret_cast<const std::uint16_t*>(panel);
    for (std::size_t k = 0; k < values.size(); ++k)
      values[k] = bf16_to_f32(from[(k / 2 * kPanel + column) * 2 + k % 2]);
  }
}

}  // namespace rerank::kernels
