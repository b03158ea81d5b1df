// c (+)= left panel on AMX tile registers: 32 x 32 sums in tiles 0 to 3, left tiles in 4 and 5, panel tiles in 6 and 7.
// No include guard: one copy for each target.
//
// TDPBF16PS adds the products of a row in one fixed order, so a row's sums do not depend on the other rows; TDPBUSD's
// are integers.

struct alignas(kLineBytes) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline void begin_products() {
  static constexpr TileConfig kConfig{};
  _tile_loadconfig(&kConfig);
}
inline void end_products() {
  _tile_release();
}

// The products of the left tiles 4 (rows 0 to 15) and 5 with the panel tiles 6 (outputs 0 to 15) and 7. The
// instructions' operands are part of their names.
template <Element>
struct TileProducts;
template <>
struct TileProducts<Element::kBf16> {
  static inline void upper_left() { _tile_dpbf16ps(0, 4, 6); }
  static inline void upper_right() { _tile_dpbf16ps(1, 4, 7); }
  static inline void lower_left() { _tile_dpbf16ps(2, 5, 6); }
  static inline void lower_right() { _tile_dpbf16ps(3, 5, 7); }
};
template <>
struct TileProducts<Element::kU8> {
  static inline void upper_left() { _tile_dpbusd(0, 4, 6); }
  static inline void upper_right() { _tile_dpbusd(1, 4, 7); }
  static inline void lower_left() { _tile_dpbusd(2, 5, 6); }
  static inline void lower_right() { _tile_dpbusd(3, 5, 7); }
};

template <Element kX>
struct TileBlockProduct {
  using Products = TileProducts<kX>;
  static constexpr bool kChains = false;
  static constexpr bool kAsksAhead = false;
  static constexpr bool kScalesSums = false;
  template <class Panel, class Work>
  static inline void run(const Left& left, std::size_t rows, std::size_t lines, const Panel& panel, float* c,
                         std::size_t c_stride, bool accumulate, Work& work) {
    // GCC's tile loads do not tell the compiler that they read memory: stores before this point must be done.
    __asm__ volatile("" ::: "memory");
    const std::size_t c_bytes = c_stride * sizeof(float);
    float* c_lower = c + kTileRows * c_stride;
    const std::byte* x = left.data;
    if (accumulate) {
      _tile_loadd(0, c, c_bytes);
      _tile_loadd(1, c + 16, c_bytes);
    } else {
      _tile_zero(0);
      _tile_zero(1);
    }
    constexpr std::size_t kPairBytes = 2 * kLineBytes;  // one pair of bf16 inputs or four u8 for 32 outputs
    if (rows <= kTileRows) {
      for (std::size_t line = 0; line < lines; ++line, x += left.line_stride) {
        const std::byte* weights = panel.line(line);
        _tile_loadd(4, x, left.row_stride);
        _tile_loadd(6, weights, kPairBytes);
        Products::upper_left();
        _tile_loadd(7, weights + kLineBytes, kPairBytes);
        Products::upper_right();
        work.some();
      }
    } else {
      if (accumulate) {
        _tile_loadd(2, c_lower, c_bytes);
        _tile_loadd(3, c_lower + 16, c_bytes);
      } else {
        _tile_zero(2);
        _tile_zero(3);
      }
      for (std::size_t line = 0; line < lines; ++line, x += left.line_stride) {
        const std::byte* weights = panel.line(line);
        _tile_loadd(4, x, left.row_stride);
        _tile_loadd(6, weights, kPairBytes);
        Products::upper_left();
        _tile_loadd(7, weights + kLineBytes, kPairBytes);
        Products::upper_right();
        _tile_loadd(5, x + left.tile_stride, left.row_stride);
        Products::lower_left();
        Products::lower_right();
        work.some();
      }
      _tile_stored(2, c_lower, c_bytes);
      _tile_stored(3, c_lower + 16, c_bytes);
    }
    _tile_stored(0, c, c_bytes);
    _tile_stored(1, c + 16, c_bytes);
  }
};

template <>
struct BlockProduct<Element::kBf16> : TileBlockProduct<Element::kBf16> {};
template <>
struct BlockProduct<Element::kU8> : TileBlockProduct<Element::kU8> {};
