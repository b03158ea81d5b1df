#include "kernels/packed_weight.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "base/half.h"
#include "base/parallel.h"
#include "base/try.h"

namespace rerank::kernels {
namespace {

// Between the rows that become a panel: with a power of two their columns would share few lines of the cache.
constexpr std::size_t row_stride(std::size_t in) {
  return in + 2 * kLineBytes / sizeof(float);
}

// One panel: 32 rows of the weight, given as f32 rows [32][in] with row_stride.
void pack_panel(const float* rows, std::size_t in, Element element, void* panel) {
  const std::size_t stride = row_stride(in);
  if (element == Element::kF32) {
    auto* to = static_cast<float*>(panel);
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t j = 0; j < kPanel; ++j) to[k * kPanel + j] = rows[j * stride + k];
    return;
  }
  auto* to = static_cast<std::uint32_t*>(panel);
  for (std::size_t k = 0; k < in; k += 2)
    for (std::size_t j = 0; j < kPanel; ++j) {
      const float* pair = rows + j * stride + k;
      to[k / 2 * kPanel + j] = f32_to_bf16(pair[0]) | std::uint32_t{f32_to_bf16(pair[1])} << 16;
    }
}

// The bit of its word at which input k of a group begins.
constexpr std::size_t bit_of_input(std::size_t k, std::size_t bits) {
  return k % 2 * 16 + k % (32 / bits) / 2 * bits;
}

// Where the parts of a group lie (kernel_table.h, "panels").
template <class Byte>
struct GroupParts {
  template <class T>
  using Part = std::conditional_t<std::is_const_v<Byte>, const T, T>;

  Part<std::uint32_t>* words;
  Part<float>* scales;
  Part<std::uint16_t>* zeros;

  GroupParts(Byte* panel, WeightFormat format, std::size_t in, std::size_t group)
      : words(reinterpret_cast<Part<std::uint32_t>*>(panel + panel_bytes(format, group * kGroup))),
        scales(reinterpret_cast<Part<float>*>(words + std::min(kGroup, in - group * kGroup) * bits_of(format))),
        zeros(reinterpret_cast<Part<std::uint16_t>*>(scales + kPanel)) {}
};

void pack_groups(const PackedWeight::QuantizedPanel& from, std::size_t in, WeightFormat format, std::byte* panel) {
  const std::size_t bits = bits_of(format), in_word = 32 / bits;
  for (std::size_t group = 0; group < groups_of(in); ++group) {
    const GroupParts<std::byte> to(panel, format, in, group);
    std::copy_n(from.scales + group * kPanel, kPanel, to.scales);
    std::copy_n(from.zeros + group * kPanel, kPanel, to.zeros);
    for (std::size_t i = 0; i < std::min(kGroup, in - group * kGroup); ++i) {
      const std::uint8_t* values = from.values + (group * kGroup + i) * kPanel;
      std::uint32_t* words = to.words + i / in_word * kPanel;
      for (std::size_t j = 0; j < kPanel; ++j) words[j] |= std::uint32_t{values[j]} << bit_of_input(i, bits);
    }
  }
}

// Where the parts of a panel of kW8A8 lie.
template <class Byte>
struct W8A8Parts {
  template <class T>
  using Part = std::conditional_t<std::is_const_v<Byte>, const T, T>;

  Part<std::int8_t>* integers;
  Part<float>* scales;
  Part<std::int32_t>* offsets;

  W8A8Parts(Byte* panel, std::size_t in)
      : integers(reinterpret_cast<Part<std::int8_t>*>(panel)),
        scales(reinterpret_cast<Part<float>*>(panel + round_up(in, kLineBytes) * kPanel)),
        offsets(reinterpret_cast<Part<std::int32_t>*>(scales + kPanel)) {}

  static std::size_t at(std::size_t k, std::size_t j) { return (k / 4 * kPanel + j) * 4 + k % 4; }
};

// One panel: 32 rows of the weight, given as f32 rows [32][in].
void pack_w8a8_panel(const float* rows, std::size_t in, std::byte* panel) {
  const W8A8Parts<std::byte> to(panel, in);
  for (std::size_t j = 0; j < kPanel; ++j) {
    const float* row = rows + j * in;
    float largest = 0, poison = 0;
    for (std::size_t k = 0; k < in; ++k) {
      largest = std::max(largest, std::fabs(row[k]));
      poison += row[k] * 0;  // no number if one of them is not finite
    }
    if (largest + poison < kLeastW8A8) continue;
    to.scales[j] = (largest + poison) / 127;
    if (!std::isfinite(to.scales[j])) continue;
    const float inverse = 127 / largest;
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < in; ++k) {
      const auto integer = static_cast<std::int8_t>(std::lrint(std::clamp(row[k] * inverse, -127.0f, 127.0f)));
      to.integers[W8A8Parts<std::byte>::at(k, j)] = integer;
      sum += integer;
    }
    to.offsets[j] = 128 * sum;
  }
}

}  // namespace

Result<PackedWeight> PackedWeight::allocate(std::size_t out, std::size_t in, WeightFormat format,
                                            std::span<const float> bias, const char* purpose) {
  PackedWeight packed;
  packed.out_ = round_up(out, kPanel);
  packed.in_ = round_up(in, kPanel);
  packed.format_ = format;
  const std::size_t bytes = packed.out_ / kPanel * panel_bytes(format, packed.in_);
  RERANK_ASSIGN(packed.buffer_, AlignedBuffer::allocate(packed.bias_bytes() + bytes, purpose));
  std::copy(bias.begin(), bias.end(), packed.buffer_.as<float>());
  return packed;
}

Result<PackedWeight> PackedWeight::pack(std::size_t out, std::size_t in, Element element, const RowReader& rows,
                                        std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(PackedWeight packed, allocate(out, in, format_of(element), bias, purpose));
  parallel_for(packed.out_ / kPanel, threads, [&](std::size_t panel) {
    const std::size_t stride = row_stride(packed.in_);
    std::vector<float> values(kPanel * stride);
    for (std::size_t j = 0; j < std::min(kPanel, out - panel * kPanel); ++j)
      rows(panel * kPanel + j, {values.data() + j * stride, in});
    pack_panel(values.data(), packed.in_, element, packed.panel(panel));
  });
  return packed;
}

Result<PackedWeight> PackedWeight::pack_quantized(std::size_t out, std::size_t in, WeightFormat format,
                                                  const QuantizedReader& panels, std::span<const float> bias,
                                                  int threads, const char* purpose) {
  RERANK_ASSIGN(PackedWeight packed, allocate(out, in, format, bias, purpose));
  parallel_for(packed.out_ / kPanel, threads, [&](std::size_t panel) {
    const std::size_t groups = groups_of(packed.in_);
    std::vector<std::uint8_t> values(packed.in_ * kPanel), zeros(groups * kPanel);
    std::vector<float> scales(groups * kPanel);
    panels(panel, {values.data(), scales.data(), zeros.data()});
    // Padding inputs belong to the last group: its zeros make zeros of them.
    for (std::size_t k = in; k < packed.in_; ++k)
      std::copy_n(zeros.data() + k / kGroup * kPanel, kPanel, values.data() + k * kPanel);
    pack_groups({values.data(), scales.data(), zeros.data()}, packed.in_, format, packed.panel(panel));
  });
  return packed;
}

Result<PackedWeight> PackedWeight::pack_w8a8(std::size_t out, std::size_t in, const RowReader& rows,
                                             std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(PackedWeight packed, allocate(out, in, WeightFormat::kW8A8, bias, purpose));
  parallel_for(packed.out_ / kPanel, threads, [&](std::size_t panel) {
    std::vector<float> values(kPanel * packed.in_);
    for (std::size_t j = 0; j < std::min(kPanel, out - panel * kPanel); ++j)
      rows(panel * kPanel + j, {values.data() + j * packed.in_, in});
    pack_w8a8_panel(values.data(), packed.in_, packed.panel(panel));
  });
  return packed;
}

Result<PackedWeight> PackedWeight::pack_w8a8(std::size_t out, std::size_t in, const QuantizedReader& panels,
                                             std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(PackedWeight packed, allocate(out, in, WeightFormat::kW8A8, bias, purpose));
  parallel_for(packed.out_ / kPanel, threads, [&](std::size_t panel) {
    const std::size_t groups = groups_of(in);
    std::vector<std::uint8_t> integers(in * kPanel), zeros(groups * kPanel);
    std::vector<float> scales(groups * kPanel), values(kPanel * packed.in_);
    panels(panel, {integers.data(), scales.data(), zeros.data()});
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t j = 0; j < kPanel; ++j) {
        const std::size_t parameters = k / kGroup * kPanel + j;
        values[j * packed.in_ + k] =
            static_cast<float>(integers[k * kPanel + j] - zeros[parameters]) * scales[parameters];
      }
    pack_w8a8_panel(values.data(), packed.in_, packed.panel(panel));
  });
  return packed;
}

void PackedWeight::unpack_row(std::size_t row, std::span<float> values) const {
  const auto* panel = static_cast<const std::byte*>(panels()) + row / kPanel * panel_bytes(format_, in_);
  const std::size_t column = row % kPanel;
  switch (format_) {
    case WeightFormat::kF32: {
      const auto* from = reinterpret_cast<const float*>(panel);
      for (std::size_t k = 0; k < values.size(); ++k) values[k] = from[k * kPanel + column];
      return;
    }
    case WeightFormat::kBf16: {
      const auto* from = reinterpret_cast<const std::uint16_t*>(panel);
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = bf16_to_f32(from[(k / 2 * kPanel + column) * 2 + k % 2]);
      return;
    }
    case WeightFormat::kInt8:
    case WeightFormat::kInt4: {
      const std::size_t bits = bits_of(format_), in_word = 32 / bits;
      for (std::size_t k = 0; k < values.size(); ++k) {
        const GroupParts<const std::byte> group(panel, format_, in_, k / kGroup);
        const std::size_t i = k % kGroup;
        const std::uint32_t word = group.words[i / in_word * kPanel + column];
        const auto integer = static_cast<int>(word >> bit_of_input(i, bits) & ((1u << bits) - 1));
        values[k] = static_cast<float>(integer - group.zeros[column]) * group.scales[column];
      }
      return;
    }
    case WeightFormat::kW8A8: {
      const W8A8Parts<const std::byte> from(panel, in_);
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = static_cast<float>(from.integers[from.at(k, column)]) * from.scales[column];
      return;
    }
  }
}

}  // namespace rerank::kernels
