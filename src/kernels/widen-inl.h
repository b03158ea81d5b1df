// A slice of a weight's panel as the product reads it: f32, or pairs of bf16. No include guard: one copy for each
// target.

// bf16 weights under f32 inputs: pairs [k / 2][32][2] to [k][32].
inline void widen_bf16(const void* pairs, std::size_t k, float* out) {
  const auto* from = static_cast<const std::uint32_t*>(pairs);
  auto* to = reinterpret_cast<std::uint32_t*>(out);
  for (std::size_t pair = 0; pair < k / 2; ++pair)
    for (std::size_t j = 0; j < kPanel; ++j) {
      to[2 * pair * kPanel + j] = from[pair * kPanel + j] << 16;
      to[(2 * pair + 1) * kPanel + j] = from[pair * kPanel + j] & 0xFFFF0000u;
    }
}

// Integers at bit p of a word become floats without a shift: under the exponent of 2^(23 - p) the bit p of the fraction
// counts 1, so that exponent and fraction together are 2^(23 - p) + integer, exactly. The zero gets the same term, and
// the difference is exact again. From half a word to the next the words are shifted, as the fraction has 23 bits.
template <std::size_t kBits>
struct Integers {
  static constexpr std::size_t kInHalf = 16 / kBits, kInWord = 32 / kBits;
  static constexpr std::uint32_t mask(std::size_t i) { return ((1u << kBits) - 1) << (i * kBits); }
  static constexpr std::uint32_t exponent(std::size_t i) {
    return static_cast<std::uint32_t>(127 + 23 - i * kBits) << 23;
  }
  static constexpr float term(std::size_t i) { return static_cast<float>(1u << (23 - i * kBits)); }
};

// How far ahead of the widening memory is asked for weights: their use would else wait between two slices.
constexpr std::size_t kWidenAhead = 4096;

// Inputs 2 i and 2 i + 1 of kLanes outputs, in two lines of an f32 panel or one of bf16.
template <Element kX>
inline void store_two_inputs(std::byte* to, Vec even, Vec odd) {
  if constexpr (kX == Element::kBf16) {
    store_pairs<kX>(to, even, odd);
  } else {
    store(reinterpret_cast<float*>(to), even);
    store(reinterpret_cast<float*>(to) + kPanel, odd);
  }
}

// One group of `inputs` inputs (kernel_table.h, "panels").
template <std::size_t kBits, Element kX>
inline void widen_group(const std::byte* group, std::size_t inputs, std::byte* out) {
  using Field = Integers<kBits>;
  const auto* words = reinterpret_cast<const std::uint32_t*>(group);
  const std::size_t rows = inputs / Field::kInWord;
  const auto* scales = reinterpret_cast<const float*>(words + rows * kPanel);
  const auto* zeros = reinterpret_cast<const std::uint16_t*>(scales + kPanel);
  Vec scale[kVecsPerPanel], zero[Field::kInHalf][kVecsPerPanel];
  for (std::size_t v = 0; v < kVecsPerPanel; ++v) {
    scale[v] = load(scales + v * kLanes);
    for (std::size_t i = 0; i < Field::kInHalf; ++i)
      zero[i][v] = add(numbers(load_words(zeros + v * kLanes)), broadcast(Field::term(i)));
  }
  constexpr std::size_t kTwoInputs = 2 * kPanel * size_of(kX);
  for (std::size_t row = 0; row < rows; ++row, words += kPanel, out += Field::kInHalf * kTwoInputs) {
    const auto* ahead = reinterpret_cast<const std::byte*>(words) + kWidenAhead;
    __builtin_prefetch(ahead);
    __builtin_prefetch(ahead + kLineBytes);
    for (std::size_t v = 0; v < kVecsPerPanel; ++v) {
      Words w = load_words(words + v * kLanes);
      std::byte* to = out + v * kLanes * sizeof(float);
      for (std::size_t half = 0; half < 2; ++half, w = upper_halves(w)) {
        Vec values[Field::kInHalf];
        for (std::size_t i = 0; i < Field::kInHalf; ++i)
          values[i] = mul(sub(masked_bits(w, Field::mask(i), Field::exponent(i)), zero[i][v]), scale[v]);
        for (std::size_t i = 0; i < Field::kInHalf; i += 2, to += kTwoInputs)
          store_two_inputs<kX>(to, values[i], values[i + 1]);
      }
    }
  }
}

template <std::size_t kBits, Element kX>
inline void widen_groups(const std::byte* group, std::size_t bytes_per_group, std::size_t inputs, void* out) {
  auto* to = static_cast<std::byte*>(out);
  for (std::size_t k = 0; k < inputs; k += kGroup, group += bytes_per_group, to += kGroup * kPanel * size_of(kX))
    widen_group<kBits, kX>(group, min_of(kGroup, inputs - k), to);
}

// Inputs first .. first + inputs of a panel in another format; `first` is a multiple of kGroup, and `inputs` one too
// unless they are the last.
template <Element kX>
inline void widen_slice(WeightFormat format, const std::byte* panel, std::size_t first, std::size_t inputs,
                        float* out) {
  const std::byte* from = panel + panel_bytes(format, first);
  const std::size_t group = panel_bytes(format, kGroup);
  if (format == WeightFormat::kInt4) widen_groups<4, kX>(from, group, inputs, out);
  if (format == WeightFormat::kInt8) widen_groups<8, kX>(from, group, inputs, out);
  if constexpr (kX == Element::kF32)
    if (format == WeightFormat::kBf16) widen_bf16(from, inputs, out);
}
