#include "kernels/packed_weight.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/half.h"
#include "base/parallel.h"
#include "base/try.h"

namespace rerank::kernels {
namespace {

// The rows [32] of a panel, in words of 32 bits: an f32, or two bf16.
using RowWords = std::array<const std::byte*, kPanel>;

// panel[word][32] from rows [32][word]. A line of each row at a time, so that every line of the cache is read once.
void pack_panel(const RowWords& rows, std::size_t words, std::byte* panel) {
  constexpr std::size_t kWord = sizeof(std::uint32_t), kLineWords = kLineBytes / kWord;
  for (std::size_t first = 0; first < words; first += kLineWords)
    for (std::size_t j = 0; j < kPanel; ++j) {
      std::uint32_t line[kLineWords];
      std::memcpy(line, rows[j] + first * kWord, sizeof line);
      auto* to = reinterpret_cast<std::uint32_t*>(panel) + first * kPanel + j;
      for (std::size_t i = 0; i < kLineWords; ++i) to[i * kPanel] = line[i];
    }
}

// [rows][stride] as the rows of a panel.
template <class T>
RowWords rows_of(const std::vector<T>& values, std::size_t stride) {
  RowWords rows;
  for (std::size_t j = 0; j < kPanel; ++j) rows[j] = reinterpret_cast<const std::byte*>(values.data() + j * stride);
  return rows;
}

// Rows of panel `panel` of a weight [out, in], as f32 [32][in padded], zeros where there are none.
std::vector<float> read_panel(const PackedWeight::RowReader& rows, std::size_t panel, std::size_t out, std::size_t in) {
  const std::size_t stride = round_up(in, kPanel);
  std::vector<float> values(kPanel * stride);
  for (std::size_t j = 0; j < std::min(kPanel, out - panel * kPanel); ++j)
    rows(panel * kPanel + j, {values.data() + j * stride, in});
  return values;
}

// The bit of its word at which input k of a group begins.
constexpr std::size_t bit_of_input(std::size_t k, std::size_t bits) {
  return k % 2 * 16 + k % (32 / bits) / 2 * bits;
}

// A T that lies among bytes, and is const where those are.
template <class T, class Byte>
using Among = std::conditional_t<std::is_const_v<Byte>, const T, T>;

// The parts of a group of a panel (kernel_table.h, "panels").
template <class Byte>
struct GroupParts {
  Among<std::uint32_t, Byte>* words;
  Among<float, Byte>* scales;
  Among<std::uint16_t, Byte>* zeros;

  GroupParts(Byte* panel, WeightFormat format, std::size_t in, std::size_t group)
      : words(reinterpret_cast<decltype(words)>(panel + panel_bytes(format, group * kGroup))),
        scales(reinterpret_cast<decltype(scales)>(words + std::min(kGroup, in - group * kGroup) * bits_of(format))),
        zeros(reinterpret_cast<decltype(zeros)>(scales + kPanel)) {}
};

void pack_groups(const PackedWeight::QuantizedPanel& from, std::size_t in, WeightFormat format, std::byte* panel) {
  const std::size_t bits = bits_of(format), in_word = 32 / bits;
  for (std::size_t group = 0; group < groups_of(in); ++group) {
    const GroupParts to(panel, format, in, group);
    std::copy_n(from.scales + group * kPanel, kPanel, to.scales);
    std::copy_n(from.zeros + group * kPanel, kPanel, to.zeros);
    for (std::size_t i = 0; i < std::min(kGroup, in - group * kGroup); ++i) {
      const std::uint8_t* values = from.values + (group * kGroup + i) * kPanel;
      std::uint32_t* words = to.words + i / in_word * kPanel;
      for (std::size_t j = 0; j < kPanel; ++j) words[j] |= std::uint32_t{values[j]} << bit_of_input(i, bits);
    }
  }
}

// The parts of a panel of kW8A8.
template <class Byte>
struct W8A8Parts {
  Among<std::int8_t, Byte>* integers;
  Among<float, Byte>* scales;
  Among<std::int32_t, Byte>* offsets;

  W8A8Parts(Byte* panel, std::size_t in)
      : integers(reinterpret_cast<decltype(integers)>(panel)),
        scales(reinterpret_cast<decltype(scales)>(panel + round_up(in, kLineBytes) * kPanel)),
        offsets(reinterpret_cast<decltype(offsets)>(scales + kPanel)) {}
};
// The integer of output j and input k among those of its panel.
constexpr std::size_t w8a8_index(std::size_t k, std::size_t j) {
  return (k / 4 * kPanel + j) * 4 + k % 4;
}

// One panel: 32 rows of the weight, given as f32 rows [32][in].
void pack_w8a8_panel(const float* rows, std::size_t in, std::byte* panel) {
  const W8A8Parts to(panel, in);
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
      to.integers[w8a8_index(k, j)] = integer;
      sum += integer;
    }
    to.offsets[j] = 128 * sum;
  }
}

}  // namespace

// A weight that is being filled, all zeros to begin with.
class PackedWeight::Unfinished {
 public:
  static Result<Unfinished> allocate(std::size_t out, std::size_t in, WeightFormat format, std::span<const float> bias,
                                     const char* purpose) {
    Unfinished made;
    made.shape_ = PackedWeight(out, in, format);
    RERANK_ASSIGN(made.buffer_, AlignedBuffer::allocate(made.shape_.bytes(), purpose));
    std::copy(bias.begin(), bias.end(), made.buffer_.as<float>());
    return made;
  }

  // Calls fill(panel, memory) for each panel, from several threads at once.
  template <class Fill>
  PackedWeight fill(int threads, const Fill& fill) && {
    const std::size_t stride = panel_bytes(shape_.format_, shape_.in_);
    std::byte* const panels = buffer_.data() + shape_.bias_bytes();
    parallel_for(shape_.out_ / kPanel, threads, [&](std::size_t panel) { fill(panel, panels + panel * stride); });
    const auto buffer = std::make_shared<const AlignedBuffer>(std::move(buffer_));
    shape_.data_ = {buffer, buffer->data()};
    return std::move(shape_);
  }

 private:
  PackedWeight shape_;
  AlignedBuffer buffer_;
};

Result<PackedWeight> PackedWeight::pack(std::size_t out, std::size_t in, Element element, const RowReader& rows,
                                        std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(Unfinished packed, Unfinished::allocate(out, in, format_of(element), bias, purpose));
  const std::size_t stride = round_up(in, kPanel);
  return std::move(packed).fill(threads, [&](std::size_t panel, std::byte* to) {
    const std::vector<float> values = read_panel(rows, panel, out, in);
    if (element == Element::kF32) return pack_panel(rows_of(values, stride), stride, to);
    std::vector<std::uint16_t> rounded(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) rounded[i] = f32_to_bf16(values[i]);
    pack_panel(rows_of(rounded, stride), stride / 2, to);
  });
}

Result<PackedWeight> PackedWeight::pack_bf16(std::size_t out, std::size_t in, const Bf16Rows& rows,
                                             std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(Unfinished packed, Unfinished::allocate(out, in, WeightFormat::kBf16, bias, purpose));
  const std::size_t stride = round_up(in, kPanel);
  return std::move(packed).fill(threads, [&](std::size_t panel, std::byte* to) {
    // Rows that are padded, and rows of zeros, are copies.
    std::vector<std::uint16_t> padded(in == stride ? stride : kPanel * stride);
    RowWords words;
    for (std::size_t j = 0; j < kPanel; ++j) {
      const std::size_t row = panel * kPanel + j;
      const std::byte* const from = row < out ? rows(row) : nullptr;
      std::uint16_t* const copy = padded.data() + (in == stride ? 0 : j * stride);
      if (from != nullptr && in != stride) std::memcpy(copy, from, in * sizeof(std::uint16_t));
      words[j] = from != nullptr && in == stride ? from : reinterpret_cast<const std::byte*>(copy);
    }
    pack_panel(words, stride / 2, to);
  });
}

Result<PackedWeight> PackedWeight::pack_quantized(std::size_t out, std::size_t in, WeightFormat format,
                                                  const QuantizedReader& panels, std::span<const float> bias,
                                                  int threads, const char* purpose) {
  RERANK_ASSIGN(Unfinished packed, Unfinished::allocate(out, in, format, bias, purpose));
  const std::size_t stride = round_up(in, kPanel);
  return std::move(packed).fill(threads, [&](std::size_t panel, std::byte* to) {
    const std::size_t groups = groups_of(stride);
    std::vector<std::uint8_t> values(stride * kPanel), zeros(groups * kPanel);
    std::vector<float> scales(groups * kPanel);
    panels(panel, {values.data(), scales.data(), zeros.data()});
    // Padding inputs belong to the last group: its zeros make zeros of them.
    for (std::size_t k = in; k < stride; ++k)
      std::copy_n(zeros.data() + k / kGroup * kPanel, kPanel, values.data() + k * kPanel);
    pack_groups({values.data(), scales.data(), zeros.data()}, stride, format, to);
  });
}

Result<PackedWeight> PackedWeight::pack_w8a8(std::size_t out, std::size_t in, const RowReader& rows,
                                             std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(Unfinished packed, Unfinished::allocate(out, in, WeightFormat::kW8A8, bias, purpose));
  return std::move(packed).fill(threads, [&](std::size_t panel, std::byte* to) {
    pack_w8a8_panel(read_panel(rows, panel, out, in).data(), round_up(in, kPanel), to);
  });
}

Result<PackedWeight> PackedWeight::pack_w8a8(std::size_t out, std::size_t in, const QuantizedReader& panels,
                                             std::span<const float> bias, int threads, const char* purpose) {
  RERANK_ASSIGN(Unfinished packed, Unfinished::allocate(out, in, WeightFormat::kW8A8, bias, purpose));
  const std::size_t stride = round_up(in, kPanel);
  return std::move(packed).fill(threads, [&](std::size_t panel, std::byte* to) {
    const std::size_t groups = groups_of(in);
    std::vector<std::uint8_t> integers(in * kPanel), zeros(groups * kPanel);
    std::vector<float> scales(groups * kPanel), values(kPanel * stride);
    panels(panel, {integers.data(), scales.data(), zeros.data()});
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t j = 0; j < kPanel; ++j) {
        const std::size_t parameters = k / kGroup * kPanel + j;
        values[j * stride + k] = static_cast<float>(integers[k * kPanel + j] - zeros[parameters]) * scales[parameters];
      }
    pack_w8a8_panel(values.data(), stride, to);
  });
}

PackedWeight PackedWeight::packed_before(std::size_t out, std::size_t in, WeightFormat format,
                                         std::shared_ptr<const std::byte> data) {
  PackedWeight packed(out, in, format);
  packed.data_ = std::move(data);
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
        const GroupParts group(panel, format_, in_, k / kGroup);
        const std::size_t i = k % kGroup;
        const std::uint32_t word = group.words[i / in_word * kPanel + column];
        const auto integer = static_cast<int>(word >> bit_of_input(i, bits) & ((1u << bits) - 1));
        values[k] = static_cast<float>(integer - group.zeros[column]) * group.scales[column];
      }
      return;
    }
    case WeightFormat::kW8A8: {
      const W8A8Parts from(panel, in_);
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = static_cast<float>(from.integers[w8a8_index(k, column)]) * from.scales[column];
      return;
    }
  }
}

}  // namespace rerank::kernels
