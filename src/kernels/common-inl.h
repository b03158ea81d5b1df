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

// Where the 64-byte line `line` of row `row` lies in a tiles matrix.
inline std::byte* line_of_tiles(void* tiles, std::size_t tiles_per_row, std::size_t row, std::size_t line) {
  return static_cast<std::byte*>(tiles) + (row / kTileRows * tiles_per_row + line) * kTileBytes +
         row % kTileRows * kLineBytes;
}

// One 64-byte line of `in` for the 32 outputs of a panel, f32 or bf16 alike.
constexpr std::size_t kPanelLineBytes = 2048;
constexpr std::size_t kVecsPerPanel = kPanel / kLanes;

// The right side of a product, as something that knows where its line i lies. Here the lines follow each other;
// causal_attention-inl.h has the other kind.
struct WholePanel {
  const std::byte* data;
  explicit WholePanel(const void* panel) : data(static_cast<const std::byte*>(panel)) {}
  const std::byte* line(std::size_t i) const { return data + i * kPanelLineBytes; }
};

// Work that may be done between the lines of a product: nothing. linear-inl.h has the other kind.
struct NoWork {
  void some() {}
};

// The target brings a BlockProduct for f32, and, where it has bf16 products, all four for bf16.

// run(left, rows, lines, panel, c, c_stride, accumulate, work):
// c[rows, 32] = left[rows, k] panel[k, 32], or added to c; k is `lines` 64-byte lines. Up to the next multiple of
// kTileRows it may read more rows and write sums of them. A product that leaves the vector units idle calls work.some()
// after each line.
template <Element>
struct BlockProduct;
// kLanes neighbouring values, rounded to nearest even.
template <Element>
inline void store_lanes(void* to, Vec v);
template <>
inline void store_lanes<Element::kF32>(void* to, Vec v) {
  store(static_cast<float*>(to), v);
}
// 32 values, rounded to nearest even, to one 64-byte line.
template <Element>
inline void store_line(void* line, const Vec* v);
// kLanes pairs of values, rounded to nearest even: even[i] in the lower half of each 32-bit word.
template <Element>
inline void store_pairs(void* to, Vec even, Vec odd);
// out[2 i] = even[i], out[2 i + 1] = odd[i] for 32 values each.
template <Element>
inline void interleave(const bf16* even, const bf16* odd, bf16* out);
