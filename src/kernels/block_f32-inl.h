// c[rows, 32] (+)= left[rows, k] panel[k, 32] in f32 with fused multiply-add, kRows x kVecs vectors of sums in
// registers. No include guard: one copy for each target, inside its namespace and region. The target's file defines
// kBlockRows and kBlockVecs.
//
// Each sum is one chain over k in rising order, whatever block its row is in.

template <std::size_t kRows, std::size_t kVecs, class Panel>
inline void mul_rows_f32(const std::byte* first, const Left& left, std::size_t lines, const Panel& panel,
                         std::size_t row, std::size_t first_output, float* c, std::size_t c_stride, bool accumulate) {
  Vec sums[kRows][kVecs];
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kVecs; ++v)
      sums[r][v] = accumulate ? load(c + r * c_stride + v * kLanes) : broadcast(0.0f);
  for (std::size_t line = 0; line < lines; ++line) {
    const std::byte* x = first + line * left.line_stride;
    const auto ahead = panel.template ahead<kRows>(row, line);
    const float* weights = reinterpret_cast<const float*>(panel.line(line)) + first_output;
    for (std::size_t k = 0; k < kLineBytes / sizeof(float); ++k, weights += kPanel) {
      ahead.ask(k);
      Vec w[kVecs];
      for (std::size_t v = 0; v < kVecs; ++v) w[v] = load(weights + v * kLanes);
      for (std::size_t r = 0; r < kRows; ++r) {
        const Vec value = broadcast(reinterpret_cast<const float*>(x + r * left.row_stride)[k]);
        for (std::size_t v = 0; v < kVecs; ++v) sums[r][v] = fma(value, w[v], sums[r][v]);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kVecs; ++v) store(c + r * c_stride + v * kLanes, sums[r][v]);
}

template <>
struct BlockProduct<Element::kF32> {
  static constexpr bool kChains = true;
  static constexpr bool kAsksAhead = true;
  static constexpr bool kScalesSums = false;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work&) {
    for_row_blocks<kBlockRows>(0, rows, [&]<std::size_t kRows>(std::size_t row) {
      constexpr std::size_t kVecs = min_of(kBlockRows * kBlockVecs / kRows, kVecsPerPanel);
      for (std::size_t v = 0; v < kVecsPerPanel; v += kVecs)
        mul_rows_f32<kRows, kVecs>(row_of(left, row), left, lines, panel, row, v * kLanes,
                                   c + row * c_stride + v * kLanes, c_stride, accumulate);
    });
  }
};
