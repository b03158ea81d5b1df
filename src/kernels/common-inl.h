// What every target needs first, and what it must bring. No include guard: one copy for each target, inside its
// namespace and region, after its Vec.

// Not std::min: a standard library template that is also used outside the region must not be compiled for its features.
constexpr std::size_t min_of(std::size_t a, std::size_t b) {
  return a < b ? a : b;
}

// A left side of up to kRowBlock rows, wherever it lies: tiles, or rows as they are.
struct Left {
  const std::byte* data;
  std::size_t row_stride, line_stride, tile_stride;  // bytes: to the next row, 64-byte line, and 16 rows
};

inline Left left_of_tiles(const void* tiles, std::size_t tiles_per_row, std::size_t first_row) {
  return {static_cast<const std::byte*>(tiles) + first_row / kTileRows * tiles_per_row * kTileBytes, kLineBytes,
          kTileBytes, tiles_per_row * kTileBytes};
}

inline const std::byte* row_of(const Left& left, std::size_t row) {
  return left.data + row / kTileRows * left.tile_stride + row % kTileRows * left.row_stride;
}

// Calls block.operator()<count>(row) for blocks of kMost rows from `row` on, the last of which may go past `rows`; less
// than half a block becomes one of half the size, and so on. A block of one row reads its panel as fast as memory goes.
template <std::size_t kMost, class Block>
inline void for_row_blocks(std::size_t row, std::size_t rows, const Block& block) {
  for (; row + kMost / 2 < rows; row += kMost) block.template operator()<kMost>(row);
  if constexpr (kMost > 1) for_row_blocks<kMost / 2>(row, rows, block);
}

// Where the 64-byte line `line` of row `row` lies in a tiles matrix.
inline std::byte* line_of_tiles(void* tiles, std::size_t tiles_per_row, std::size_t row, std::size_t line) {
  return static_cast<std::byte*>(tiles) + (row / kTileRows * tiles_per_row + line) * kTileBytes +
         row % kTileRows * kLineBytes;
}

// One 64-byte line of `in` for the 32 outputs of a panel, f32 or bf16 alike.
constexpr std::size_t kPanelLineBytes = 2048;
constexpr std::size_t kStepsPerLine = 16;  // four bytes of inputs each
constexpr std::size_t kVecsPerPanel = kPanel / kLanes;

// Nothing has to be asked of memory (StreamedPanel has the other kind).
struct AsksNothing {
  void ask(std::size_t) const {}
};

// The right side of a product, as something that knows where its line i lies. Here the lines follow each other;
// causal_attention-inl.h has the other kind.
struct WholePanel {
  const std::byte* data;
  explicit WholePanel(const void* panel) : data(static_cast<const std::byte*>(panel)) {}
  const std::byte* line(std::size_t i) const { return data + i * kPanelLineBytes; }
  template <std::size_t>
  AsksNothing ahead(std::size_t, std::size_t) const {
    return {};
  }
};

// A slice of a panel that comes from memory, and that blocks of rows go over one after the other. The first one would
// wait for memory, and memory for the others; so each asks for its rows' share of the slice behind this one, evenly, as
// it goes.
struct StreamedPanel : WholePanel {
  static constexpr std::size_t kFewestRows = 16;  // fewer go as fast as memory does, which is best left alone then
  std::size_t lines, first_row, bytes_per_row;    // bytes: of a line of the next slice, for each row

  // `rows` go over the slice, of which this panel is for those from `first` on.
  StreamedPanel(const void* slice, std::size_t lines_of_slice, std::size_t rows, std::size_t first)
      : WholePanel(slice), lines(lines_of_slice), first_row(first), bytes_per_row(kPanelLineBytes / rows) {}

  struct Share {
    const std::byte* at;
    std::size_t bytes_per_step;
    void ask(std::size_t step) const { __builtin_prefetch(at + step * bytes_per_step); }
  };
  // What a block of kRows rows that begins at row `row` asks for in the kStepsPerLine steps of line `i`.
  template <std::size_t kRows>
  Share ahead(std::size_t row, std::size_t i) const {
    return {line(lines) + ((first_row + row) * lines + i * kRows) * bytes_per_row,
            kRows * bytes_per_row / kStepsPerLine};
  }
};

// Work that may be done between the lines of a product: nothing. linear-inl.h has the other kind.
struct NoWork {
  void some() {}
};

// The target brings a BlockProduct for f32 and u8, and, where it has bf16 products, all five for bf16.

// run(left, rows, lines, panel, c, c_stride, accumulate, work):
// c[rows, 32] = left[rows, k] panel[k, 32], or added to c; k is `lines` 64-byte lines. Up to the next multiple of
// kTileRows it may read more rows and write sums of them. Sums of u8 are integers of 32 bits, whose bits c holds. A
// product that leaves the vector units idle calls work.some() after each line.
//
// kChains: each of its sums is what TwoInputs::add_to makes of all inputs in order, so that a product may also go
// without a panel.
//
// kAsksAhead: it takes a StreamedPanel for what that is.
//
// kScalesSums: integers in groups are multiplied as they are, and the sums scaled, by integer_linear.
template <Element>
struct BlockProduct;
template <Element>
void integer_linear(const LinearArgs& args);
// The weights of kLanes outputs for inputs 2 i and 2 i + 1, as the product takes them.
template <Element>
struct TwoInputs;
template <>
struct TwoInputs<Element::kF32> {
  Vec even, odd;

  TwoInputs(Vec even_weights, Vec odd_weights) : even(even_weights), odd(odd_weights) {}
  // To where they belong in a panel.
  void store_to(std::byte* panel) const {
    store(reinterpret_cast<float*>(panel), even);
    store(reinterpret_cast<float*>(panel) + kPanel, odd);
  }
  // The sums with their terms for the two inputs at x.
  Vec add_to(Vec sums, const std::byte* x) const {
    const auto* inputs = reinterpret_cast<const float*>(x);
    return fma(broadcast(inputs[1]), odd, fma(broadcast(inputs[0]), even, sums));
  }
};
// kLanes neighbouring values.
template <Element>
inline Vec load_lanes(const std::byte* from);
template <>
inline Vec load_lanes<Element::kF32>(const std::byte* from) {
  return load(reinterpret_cast<const float*>(from));
}
// The same to memory, rounded to nearest even.
template <Element>
inline void store_lanes(void* to, Vec v);
template <>
inline void store_lanes<Element::kF32>(void* to, Vec v) {
  store(static_cast<float*>(to), v);
}
// 32 values, rounded to nearest even, to one 64-byte line.
template <Element>
inline void store_line(void* line, const Vec* v);
// out[2 i] = even[i], out[2 i + 1] = odd[i] for 32 values each.
template <Element>
inline void interleave(const bf16* even, const bf16* odd, bf16* out);
