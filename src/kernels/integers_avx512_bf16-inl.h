// Products of bf16 inputs with integers of 4 and 8 bits that are never rounded to bf16. No include guard: one copy for
// each target.
//
// What is multiplied is the integer q plus an offset, a bf16 exactly. With 4 bits that is 128 + q: q in the last bits
// of a bf16 whose other bits are those of 128; one instruction makes two of them from a word. With 8 bits it is q -
// 128, which is a difference of two f32 whose upper half is all of it. The sum over a group of inputs is then
//   sum x (q - zero) scale = (sum x (offset + q) - (offset + zero) sum x) scale
// where the first sum is one chain over the inputs in rising order, in f32 like all sums. The difference may cost the
// last five of its 24 bits, which leaves more than the eight of a weight in bf16.

// The integers of pair `kPair` of a word's inputs, with their offset.
template <std::size_t kBits, std::size_t kPair>
inline __m512bh offset_integers(Words w) {
  if constexpr (kBits == 4) {
    constexpr int kAndOr = 0xEA;
    if constexpr (kPair > 0) w = _mm512_srli_epi32(w, 4 * kPair);
    const __m512i pairs =
        _mm512_ternarylogic_epi32(w, _mm512_set1_epi32(0x000F000F), _mm512_set1_epi32(0x43004300), kAndOr);
    return reinterpret_cast<const __m512bh&>(pairs);
  } else {
    using Field = Integers<8>;
    const Vec middle = broadcast(Field::term(kPair) + 128.0f);
    const Vec even = sub(masked_bits(w, Field::mask(kPair), Field::exponent(kPair)), middle);
    const Vec odd = sub(masked_bits(upper_halves(w), Field::mask(kPair), Field::exponent(kPair)), middle);
    const __m512i pairs =
        _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(_mm512_castps_si512(even), 16), _mm512_castps_si512(odd));
    return reinterpret_cast<const __m512bh&>(pairs);
  }
}

// Calls use.operator()<pair>(integers) for the pairs of inputs in a word, in rising order.
template <std::size_t kBits, class Use>
inline void for_pairs_of_words(Words w, const Use& use) {
  use.template operator()<0>(offset_integers<kBits, 0>(w));
  use.template operator()<1>(offset_integers<kBits, 1>(w));
  if constexpr (kBits == 4) {
    use.template operator()<2>(offset_integers<kBits, 2>(w));
    use.template operator()<3>(offset_integers<kBits, 3>(w));
  }
}

// A group of `inputs` inputs (kernel_table.h, "panels").
template <std::size_t kBits>
struct IntegerGroup {
  static constexpr std::size_t kInWord = 32 / kBits, kVecs = kVecsPerPanel;
  static constexpr float kOffset = kBits == 4 ? 128.0f : -128.0f;
  // Of a whole group.
  static constexpr std::size_t kBytes = panel_bytes(kBits == 4 ? WeightFormat::kInt4 : WeightFormat::kInt8, kGroup);

  const std::uint32_t* words;
  std::size_t inputs, word_rows;

  IntegerGroup(const std::byte* group, std::size_t inputs_)
      : words(reinterpret_cast<const std::uint32_t*>(group)), inputs(inputs_), word_rows(inputs_ / kInWord) {}

  // The integers with their offset, as a slice of a panel.
  void widen(std::byte* panel) const {
    for (std::size_t row = 0; row < word_rows; ++row)
      for (std::size_t v = 0; v < kVecs; ++v) {
        std::byte* to = panel + row * kInWord / 2 * 2 * kLineBytes + v * kLineBytes;
        for_pairs_of_words<kBits>(row_of_words(row, v), [to]<std::size_t kPair>(__m512bh pairs) {
          _mm512_storeu_si512(to + kPair * 2 * kLineBytes, reinterpret_cast<const __m512i&>(pairs));
        });
      }
  }

  // c (+)= what a vector of such sums comes to: the outputs from v * kLanes on.
  Vec result(Vec sums, std::size_t v, float minus_input_sum, Vec c) const {
    const auto* scales = reinterpret_cast<const float*>(words + word_rows * kPanel);
    const auto* zeros = reinterpret_cast<const std::uint16_t*>(scales + kPanel);
    const Vec zero = add(numbers(load_words(zeros + v * kLanes)), broadcast(kOffset));
    return fma(fma(zero, broadcast(minus_input_sum), sums), load(scales + v * kLanes), c);
  }

 private:
  Words row_of_words(std::size_t row, std::size_t v) const { return load_words(words + row * kPanel + v * kLanes); }
};
constexpr std::size_t kInputsInLine = kLineBytes / sizeof(bf16), kLinesInGroup = kGroup / kInputsInLine;

// -sum x for each group of each row: sums[rows][groups].
inline void minus_sums_of_inputs(const LinearArgs& args, std::size_t first, std::size_t rows, float* sums) {
  const std::size_t lines = args.in / kInputsInLine;
  constexpr std::uint32_t kMinusOnes = 0xBF80BF80;
  const Left left = left_of_tiles(args.x, lines, first);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::byte* x = row_of(left, r);
    for (std::size_t line = 0; line < lines; line += kLinesInGroup) {
      Vec total = broadcast(0.0f);
      for (std::size_t i = line; i < min_of(line + kLinesInGroup, lines); ++i)
        total = _mm512_dpbf16_ps(total, broadcast_pair(kMinusOnes), load_pairs(x + i * left.line_stride));
      *sums++ = sum(total);
    }
  }
}

// sums[kGroups][kRows][32] of x (offset + q) for neighbouring groups and the rows of inputs that begin at `x`. Each sum
// is a chain, in which an instruction waits for the one before it: one row needs more chains at a time than one group
// has.
template <std::size_t kBits, std::size_t kRows, std::size_t kGroups>
inline void mul_integer_groups(const std::byte* group, const std::byte* x, const Left& left, std::size_t inputs,
                               Vec (&sums)[kGroups][kRows][kVecsPerPanel]) {
  constexpr std::size_t kGroupBytes = IntegerGroup<kBits>::kBytes, kInWord = IntegerGroup<kBits>::kInWord;
  constexpr std::size_t kInputBytes = kInWord * sizeof(bf16);
  // Memory is asked for what follows in the order in which it lies there, a share in each step.
  constexpr std::size_t kShare = kGroups * kGroupBytes / (kGroup / kInWord);
  const std::byte* ahead = group + (kGroups == 1 ? kWidenAhead : kGroups * kGroupBytes);
  for (auto& of_group : sums)
    for (auto& of_row : of_group)
      for (Vec& sum : of_row) sum = broadcast(0.0f);
  for (std::size_t row = 0; row < inputs / kInWord; ++row) {
    const std::byte* at = x + row * kInputBytes / kLineBytes * left.line_stride + row * kInputBytes % kLineBytes;
    for (std::size_t i = 0; i < kShare; i += kLineBytes) __builtin_prefetch(ahead + i);
    ahead += kShare;
    for (std::size_t g = 0; g < kGroups; ++g) {
      const std::byte* words = group + g * kGroupBytes + row * kPanel * sizeof(std::uint32_t);
      for (std::size_t v = 0; v < kVecsPerPanel; ++v)
        for_pairs_of_words<kBits>(load_words(reinterpret_cast<const std::uint32_t*>(words) + v * kLanes),
                                  [&]<std::size_t kPair>(__m512bh pairs) {
                                    for (std::size_t r = 0; r < kRows; ++r) {
                                      const std::byte* inputs_of_row =
                                          at + g * kLinesInGroup * left.line_stride + r * left.row_stride;
                                      const auto* pair = reinterpret_cast<const std::uint32_t*>(inputs_of_row) + kPair;
                                      sums[g][r][v] = _mm512_dpbf16_ps(sums[g][r][v], broadcast_pair(*pair), pairs);
                                    }
                                  });
    }
  }
}

// c[kRows, 32] for the inputs of a panel from group `first` on; kGroups of them at a time, and then less.
template <std::size_t kBits, std::size_t kRows, std::size_t kGroups>
inline void mul_integer_rows(const Left& left, const std::byte* panel, std::size_t in, std::size_t first,
                             const float* input_sums, float* c) {
  const std::size_t groups = groups_of(in);
  constexpr std::size_t kGroupBytes = IntegerGroup<kBits>::kBytes;
  for (; kGroups == 1 ? first < groups : first + kGroups <= in / kGroup; first += kGroups) {
    const std::byte* group = panel + first * kGroupBytes;
    const std::size_t inputs = min_of(kGroup, in - first * kGroup);
    Vec sums[kGroups][kRows][kVecsPerPanel];
    mul_integer_groups<kBits, kRows, kGroups>(group, left.data + first * kGroup / kInputsInLine * left.line_stride,
                                              left, inputs, sums);
    for (std::size_t g = 0; g < kGroups; ++g)
      for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t v = 0; v < kVecsPerPanel; ++v) {
          float* to = c + r * kPanel + v * kLanes;
          store(to, IntegerGroup<kBits>(group + g * kGroupBytes, inputs)
                        .result(sums[g][r][v], v, input_sums[r * groups + first + g],
                                first + g > 0 ? load(to) : broadcast(0.0f)));
        }
  }
  if constexpr (kGroups > 1) mul_integer_rows<kBits, kRows, kGroups / 2>(left, panel, in, first, input_sums, c);
}

// Up to kFewRows rows, as a step of generation has them: the integers go from the words straight into the sums.
template <std::size_t kBits>
inline void integer_linear_of_few_rows(const LinearArgs& args, float* input_sums) {
  const Left left = left_of_tiles(args.x, args.in / kInputsInLine, 0);
  const std::size_t bytes = panel_bytes(args.w_format, args.in);
  const std::size_t end_panel = args.end_panel == 0 ? args.out / kPanel : args.end_panel;
  minus_sums_of_inputs(args, 0, kFewRows, input_sums);  // rows are readable up to a multiple of kRowBlock
  for (std::size_t panel = args.first_panel; panel < end_panel; ++panel) {
    const std::byte* weights = static_cast<const std::byte*>(args.panels) + panel * bytes;
    if (args.rows == 1) {
      mul_integer_rows<kBits, 1, 2>(left, weights, args.in, 0, input_sums, args.scratch);
    } else if (args.rows == 2) {
      mul_integer_rows<kBits, 2, 2>(left, weights, args.in, 0, input_sums, args.scratch);
    } else if (args.rows <= 4) {
      mul_integer_rows<kBits, 4, 1>(left, weights, args.in, 0, input_sums, args.scratch);
    } else {
      mul_integer_rows<kBits, kFewRows, 1>(left, weights, args.in, 0, input_sums, args.scratch);
    }
    Epilogue<Element::kBf16>(args, args.scratch, 0, args.rows, panel).rest();
  }
}

template <std::size_t kBits>
inline void integer_linear_of(const LinearArgs& args) {
  float* const sums = args.scratch;
  float* const products = sums + kMostRowsPerPass * kPanel;
  auto* const widened = reinterpret_cast<std::byte*>(products + kRowBlock * kPanel);
  float* const input_sums = products + kRowBlock * kPanel + kGroup * kPanel * sizeof(bf16) / sizeof(float);
  if (args.rows <= kFewRows) return integer_linear_of_few_rows<kBits>(args, input_sums);

  const std::size_t lines = args.in / kInputsInLine, groups = groups_of(args.in);
  const std::size_t bytes = panel_bytes(args.w_format, args.in), group_bytes = panel_bytes(args.w_format, kGroup);
  const std::size_t end_panel = args.end_panel == 0 ? args.out / kPanel : args.end_panel;
  const std::size_t rows_per_pass =
      min_of(linear_rows_per_pass(args.in * sizeof(bf16)), kMostGroupSums / groups / kRowBlock * kRowBlock);
  NoWork none;
  for (std::size_t first = 0; first < args.rows; first += rows_per_pass) {
    const std::size_t pass_rows = min_of(rows_per_pass, args.rows - first);
    minus_sums_of_inputs(args, first, pass_rows, input_sums);
    for (std::size_t panel = args.first_panel; panel < end_panel; ++panel) {
      const std::byte* weights = static_cast<const std::byte*>(args.panels) + panel * bytes;
      for (std::size_t g = 0; g < groups; ++g) {
        const IntegerGroup<kBits> group(weights + g * group_bytes, min_of(kGroup, args.in - g * kGroup));
        group.widen(widened);
        for (std::size_t row = 0; row < pass_rows; row += kRowBlock) {
          const std::size_t block_rows = min_of(kRowBlock, pass_rows - row);
          Left left = left_of_tiles(args.x, lines, first + row);
          left.data += g * kGroup / kInputsInLine * kTileBytes;
          BlockProduct<Element::kBf16>::run(left, block_rows, group.inputs / kInputsInLine, WholePanel(widened),
                                            products, kPanel, false, none);
          float* c = sums + row * kPanel;
          for (std::size_t v = 0; v < kVecsPerPanel; ++v)
            for (std::size_t r = 0; r < block_rows; ++r) {
              float* to = c + r * kPanel + v * kLanes;
              store(to, group.result(load(products + r * kPanel + v * kLanes), v, input_sums[(row + r) * groups + g],
                                     g > 0 ? load(to) : broadcast(0.0f)));
            }
          if (g + 1 == groups) Epilogue<Element::kBf16>(args, c, first + row, block_rows, panel).rest();
        }
      }
    }
  }
}

template <>
void integer_linear<Element::kBf16>(const LinearArgs& args) {
  if (args.w_format == WeightFormat::kInt4) return integer_linear_of<4>(args);
  return integer_linear_of<8>(args);
}
