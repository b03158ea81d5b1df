// c (+)= left panel for u8 and s8 with sums of 32 bits, whose bits c holds. No include guard: one copy for each target,
// after InputQuad and WeightQuads.

constexpr std::size_t kU8Vecs = 2;

template <std::size_t kRows, class Panel>
inline void mul_rows_u8(const std::byte* first, const Left& left, std::size_t lines, const Panel& panel,
                        std::size_t row, std::size_t first_output, float* c, std::size_t c_stride, bool accumulate) {
  Words sums[kRows][kU8Vecs];
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kU8Vecs; ++v)
      sums[r][v] = accumulate ? load_words(reinterpret_cast<const std::uint32_t*>(c + r * c_stride + v * kLanes))
                              : broadcast_word(0);
  constexpr std::size_t kQuads = kLineBytes / 4, kQuadBytes = 4 * kPanel;
  for (std::size_t line = 0; line < lines; ++line) {
    const std::byte* x = first + line * left.line_stride;
    const auto ahead = panel.template ahead<kRows>(row, line);
    const std::byte* weights = panel.line(line) + 4 * first_output;
    for (std::size_t quad = 0; quad < kQuads; ++quad, weights += kQuadBytes) {
      ahead.ask(quad);
      const WeightQuads w[kU8Vecs] = {WeightQuads(weights), WeightQuads(weights + 4 * kLanes)};
      for (std::size_t r = 0; r < kRows; ++r) {
        const InputQuad inputs(reinterpret_cast<const std::uint32_t*>(x + r * left.row_stride)[quad]);
        for (std::size_t v = 0; v < kU8Vecs; ++v) sums[r][v] = w[v].add_to(sums[r][v], inputs);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t v = 0; v < kU8Vecs; ++v) store_words(c + r * c_stride + v * kLanes, sums[r][v]);
}

template <>
struct BlockProduct<Element::kU8> {
  static constexpr bool kAsksAhead = true;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work&) {
    for_row_blocks<kBlockRows>(0, rows, [&]<std::size_t kRows>(std::size_t row) {
      for (std::size_t v = 0; v < kVecsPerPanel; v += kU8Vecs)
        mul_rows_u8<kRows>(row_of(left, row), left, lines, panel, row, v * kLanes, c + row * c_stride + v * kLanes,
                           c_stride, accumulate);
    });
  }
};
