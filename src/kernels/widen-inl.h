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
// the difference is exact again. For the upper half of a word, which has the odd inputs, the words are shifted, as the
// fraction has 23 bits.
template <std::size_t kBits>
struct Integers {
  static constexpr std::size_t kInHalf = 16 / kBits, kInWord = 32 / kBits;
  static constexpr std::uint32_t mask(std::size_t i) { return ((1u << kBits) - 1) << (i * kBits); }
  static constexpr std::uint32_t exponent(std::size_t i) {
    return static_cast<std::uint32_t>(127 + 23 - i * kBits) << 23;
  }
  static constexpr float term(std::size_t i) { return static_cast<float>(1u << (23 - i * kBits)); }
};

// How far ahead memory is asked for the integers, so that it also works while a widened slice is multiplied.
constexpr std::size_t kWidenAhead = 4096;

// A group of `inputs` inputs (kernel_table.h, "panels") with its parameters at hand.
template <std::size_t kBits>
class Group {
 public:
  using Field = Integers<kBits>;

  Group(const std::byte* group, std::size_t inputs)
      : words_(reinterpret_cast<const std::uint32_t*>(group)), rows_(inputs / Field::kInWord) {
    const auto* scales = reinterpret_cast<const float*>(words_ + rows_ * kPanel);
    const auto* zeros = reinterpret_cast<const std::uint16_t*>(scales + kPanel);
    for (std::size_t v = 0; v < kVecsPerPanel; ++v) {
      scale_[v] = load(scales + v * kLanes);
      for (std::size_t i = 0; i < Field::kInHalf; ++i)
        zero_[i][v] = add(numbers(load_words(zeros + v * kLanes)), broadcast(Field::term(i)));
    }
  }

  // Calls use(pair, v, weights) with TwoInputs of inputs 2 pair and 2 pair + 1 for the vectors v = first .. first +
  // kVecs of outputs; for each v the pairs rise.
  template <Element kX, std::size_t kVecs, class Use>
  void for_pairs(std::size_t first, const Use& use) const {
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::uint32_t* words = words_ + row * kPanel;
      const auto* ahead = reinterpret_cast<const std::byte*>(words) + kWidenAhead;
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + kLineBytes);
      for (std::size_t v = first; v < first + kVecs; ++v) {
        const Words even = load_words(words + v * kLanes), odd = upper_halves(even);
        for (std::size_t i = 0; i < Field::kInHalf; ++i)
          use(row * Field::kInHalf + i, v, TwoInputs<kX>(number(even, i, v), number(odd, i, v)));
      }
    }
  }

 private:
  Vec number(Words w, std::size_t i, std::size_t v) const {
    return mul(sub(masked_bits(w, Field::mask(i), Field::exponent(i)), zero_[i][v]), scale_[v]);
  }

  const std::uint32_t* words_;
  std::size_t rows_;
  Vec scale_[kVecsPerPanel], zero_[Field::kInHalf][kVecsPerPanel];
};

template <std::size_t kBits, Element kX>
inline void widen_groups(const std::byte* group, std::size_t bytes_per_group, std::size_t inputs, void* out) {
  auto* to = static_cast<std::byte*>(out);
  for (std::size_t k = 0; k < inputs; k += kGroup, group += bytes_per_group, to += kGroup * kPanel * size_of(kX))
    Group<kBits>(group, min_of(kGroup, inputs - k))
        .template for_pairs<kX, kVecsPerPanel>(0, [to](std::size_t pair, std::size_t v, const TwoInputs<kX>& weights) {
          weights.store_to(to + pair * 2 * kPanel * size_of(kX) + v * kLanes * sizeof(float));
        });
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

// c[kRows, 32] (+)= left[kRows, inputs] group[inputs, 32] for a group of integers: what is widened goes straight into
// the sums. kVecs vectors of outputs at a time, so that sums and parameters fit into the registers.
template <std::size_t kBits, Element kX, std::size_t kRows, std::size_t kVecs>
inline void mul_group(const std::byte* lines, const Left& left, const std::byte* group, std::size_t inputs, float* c,
                      bool accumulate) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  const Group<kBits> weights(group, inputs);
  for (std::size_t first = 0; first < kVecsPerPanel; first += kVecs) {
    Vec sums[kRows][kVecs];
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t v = 0; v < kVecs; ++v)
        sums[r][v] = accumulate ? load(c + r * kPanel + (first + v) * kLanes) : broadcast(0.0f);
    weights.template for_pairs<kX, kVecs>(first, [&](std::size_t pair, std::size_t v, const TwoInputs<kX>& two) {
      const std::byte* x = lines + 2 * pair / kPerLine * left.line_stride + 2 * pair % kPerLine * size_of(kX);
      for (std::size_t r = 0; r < kRows; ++r)
        sums[r][v - first] = two.add_to(sums[r][v - first], x + r * left.row_stride);
    });
    for (std::size_t r = 0; r < kRows; ++r)
      for (std::size_t v = 0; v < kVecs; ++v) store(c + r * kPanel + (first + v) * kLanes, sums[r][v]);
  }
}

template <std::size_t kBits, Element kX, std::size_t kRows, std::size_t kVecs>
inline void mul_rows_integers(const Left& left, const std::byte* panel, std::size_t in, float* c) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  const std::size_t bytes_per_group = panel_bytes(kBits == 4 ? WeightFormat::kInt4 : WeightFormat::kInt8, kGroup);
  for (std::size_t k = 0; k < in; k += kGroup, panel += bytes_per_group)
    mul_group<kBits, kX, kRows, kVecs>(left.data + k / kPerLine * left.line_stride, left, panel, min_of(kGroup, in - k),
                                       c, k > 0);
}

// The same for up to kFewRows rows and a whole panel. With 16 registers more rows are faster over a widened panel.
constexpr std::size_t kFewRows = kLanes < 16 ? 4 : 8;
template <std::size_t kBits, Element kX>
inline void mul_few_rows(const Left& left, std::size_t rows, const std::byte* panel, std::size_t in, float* c) {
  if (rows == 1) return mul_rows_integers<kBits, kX, 1, kVecsPerPanel>(left, panel, in, c);
  if (rows == 2) return mul_rows_integers<kBits, kX, 2, kVecsPerPanel>(left, panel, in, c);
  constexpr std::size_t kVecs = kLanes < 16 ? kVecsPerPanel : kVecsPerPanel / 2;
  if (rows <= 4) return mul_rows_integers<kBits, kX, 4, kVecs>(left, panel, in, c);
  return mul_rows_integers<kBits, kX, kFewRows, kVecs>(left, panel, in, c);
}
