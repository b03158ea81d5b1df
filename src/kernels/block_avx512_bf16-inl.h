// c (+)= left panel with pairs of bf16 products summed in f32 (VDPBF16PS). No include guard: one copy for each target.
//
// Each sum is one chain over the pairs in rising order, whatever block its row is in.

inline __m512bh load_pairs(const void* p) {
  const __m512i bits = _mm512_loadu_si512(p);
  return reinterpret_cast<const __m512bh&>(bits);
}
inline __m512bh broadcast_pair(std::uint32_t pair) {
  const __m512i bits = _mm512_set1_epi32(static_cast<int>(pair));
  return reinterpret_cast<const __m512bh&>(bits);
}

template <std::size_t kRows, class Panel>
inline void mul_rows_bf16(const std::byte* first, const Left& left, std::size_t lines, const Panel& panel,
                          std::size_t row, float* c, std::size_t c_stride, bool accumulate) {
  Vec sums[kRows][2];
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < 2; ++v) sums[r][v] = accumulate ? load(c + r * c_stride + v * kLanes) : broadcast(0.0f);
  for (std::size_t line = 0; line < lines; ++line) {
    const std::byte* x = first + line * left.line_stride;
    const auto ahead = panel.template ahead<kRows>(row, line);
    const std::byte* weights = panel.line(line);
    for (std::size_t pair = 0; pair < 16; ++pair, weights += 2 * kLineBytes) {
      ahead.ask(pair);
      const __m512bh w0 = load_pairs(weights), w1 = load_pairs(weights + kLineBytes);
      for (std::size_t r = 0; r < kRows; ++r) {
        const __m512bh value = broadcast_pair(reinterpret_cast<const std::uint32_t*>(x + r * left.row_stride)[pair]);
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], value, w0);
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], value, w1);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < 2; ++v) store(c + r * c_stride + v * kLanes, sums[r][v]);
}

template <>
struct BlockProduct<Element::kBf16> {
  static constexpr bool kChains = true;
  static constexpr bool kAsksAhead = true;
  static constexpr bool kScalesSums = true;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work&) {
    // Eight rows times two vectors of sums: 16 chains hide the instruction's latency.
    for_row_blocks<kBlockRows>(0, rows, [&]<std::size_t kRows>(std::size_t row) {
      mul_rows_bf16<kRows>(row_of(left, row), left, lines, panel, row, c + row * c_stride, c_stride, accumulate);
    });
  }
};
