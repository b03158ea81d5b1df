// What becomes of the finished sums of a product: bias, activation, and the way into y. No include guard: one copy for
// each target.

// Writes 32 neighbouring columns of one row as tiles: two lines of f32 or one of bf16.
template <Element kElement>
inline void store_panel_row(void* tiles, std::size_t tiles_per_row, std::size_t row, std::size_t panel, const Vec* v) {
  if constexpr (kElement == Element::kBf16) {
    store_line<kElement>(line_of_tiles(tiles, tiles_per_row, row, panel), v);
  } else {
    for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
      const std::size_t column = i * kLanes;
      std::byte* line = line_of_tiles(tiles, tiles_per_row, row, panel * 2 + column / 16);
      store(reinterpret_cast<float*>(line) + column % 16, v[i]);
    }
  }
}

// The same for 16 columns: one line of f32 or half a line of bf16.
template <Element kElement>
inline void store_half_panel_row(void* tiles, std::size_t tiles_per_row, std::size_t row, std::size_t half_panel,
                                 const Vec* v) {
  const std::size_t at = half_panel * kPanel / 2 * size_of(kElement);
  std::byte* to = line_of_tiles(tiles, tiles_per_row, row, at / kLineBytes) + at % kLineBytes;
  for (std::size_t i = 0; i < kVecsPerPanel / 2; ++i) store_lanes<kElement>(to + i * kLanes * size_of(kElement), v[i]);
}

// The finished sums c[32][32] of one block, which become results: all at once, or some rows at a time while the matrix
// unit works on the next block. kElement is that of the results, kX that of the inputs: sums of u8 are integers.
template <Element kElement, Element kX = kElement>
class Epilogue {
 public:
  Epilogue(const LinearArgs& args, const float* c, std::size_t first_row, std::size_t rows, std::size_t panel)
      : args_(&args), c_(c), first_row_(first_row), rows_(rows), panel_(panel) {}

  void some() {
    if (next_ < rows_) finish_until(min_of(next_ + kRowsAtOnce, rows_));
  }
  void rest() {
    if (next_ < rows_) finish_until(rows_);
  }

 private:
  // Rows between two lines of a product: with 8 lines or more in the last slice of `in`, a whole block fits between
  // them.
  static constexpr std::size_t kRowsAtOnce = 4;

  void finish_until(std::size_t end) {
    switch (args_->activation) {
      case Activation::kNone:
        return finish_rows<Activation::kNone>(end);
      case Activation::kGelu:
        return finish_rows<Activation::kGelu>(end);
      case Activation::kRelu:
        return finish_rows<Activation::kRelu>(end);
      case Activation::kTanh:
        return finish_rows<Activation::kTanh>(end);
      case Activation::kSiluGate:
        return finish_rows<Activation::kSiluGate>(end);
      case Activation::kGeluTanhGate:
        return finish_rows<Activation::kGeluTanhGate>(end);
    }
  }

  // What integer sums lack to be numbers, for the outputs of the panel.
  struct Scales {
    const std::byte* integers;
    Vec scales[kVecsPerPanel];
    Words offsets[kVecsPerPanel];
    Scales(const LinearArgs& args, std::size_t panel)
        : integers(static_cast<const std::byte*>(args.panels) + panel * panel_bytes(WeightFormat::kW8A8, args.in)) {
      const auto* at = reinterpret_cast<const float*>(integers + round_up(args.in, kLineBytes) * kPanel);
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
        scales[i] = load(at + i * kLanes);
        offsets[i] = load_words(reinterpret_cast<const std::uint32_t*>(at + kPanel + i * kLanes));
      }
    }
    // Multiplications and additions stay apart, so that every level gives the same bits.
    Vec numbers_of(const float* sums, std::size_t i, const IntegerRow& row) const {
      const Words words = load_words(reinterpret_cast<const std::uint32_t*>(sums));
      const Vec result = mul(numbers(sub(words, offsets[i])), mul(broadcast(row.scale), scales[i]));
      return row.outliers == 0 ? result : add(result, mul(of_outliers(i, row), scales[i]));
    }
    Vec of_outliers(std::size_t i, const IntegerRow& row) const {
      Vec total = broadcast(0.0f);
      for (std::size_t o = 0; o < row.outliers; ++o) {
        const std::size_t column = row.columns[o];
        const std::byte* quads = integers + (column / 4 * kPanel + i * kLanes) * 4;
        const Words words = load_words(reinterpret_cast<const std::uint32_t*>(quads));
        total = add(total, mul(broadcast(row.values[o]), numbers(signed_byte(words, column % 4))));
      }
      return total;
    }
  };
  struct NoScales {
    NoScales(const LinearArgs&, std::size_t) {}
  };

  template <Activation kActivation>
  void finish_rows(std::size_t end) {
    constexpr bool kIntegers = kX == Element::kU8;
    const std::conditional_t<kIntegers, Scales, NoScales> scales(*args_, panel_);
    Vec bias[kVecsPerPanel];
    for (std::size_t i = 0; i < kVecsPerPanel; ++i) bias[i] = load(args_->bias + panel_ * kPanel + i * kLanes);
    for (; next_ < end; ++next_) {
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
        const float* sums = c_ + next_ * kPanel + i * kLanes;
        if constexpr (kIntegers) {
          v[i] = add(scales.numbers_of(sums, i, args_->x_rows[first_row_ + next_]), bias[i]);
        } else {
          v[i] = add(load(sums), bias[i]);
        }
      }
      if constexpr (is_gate(kActivation)) {
        constexpr std::size_t kHalf = kVecsPerPanel / 2;
        for (std::size_t i = 0; i < kHalf; ++i) v[i] = mul(activate<kElement, kActivation>(v[i]), v[kHalf + i]);
        store_half_panel_row<kElement>(args_->y, args_->out / 2 * size_of(kElement) / kLineBytes, first_row_ + next_,
                                       panel_, v);
      } else {
        for (std::size_t i = 0; i < kVecsPerPanel; ++i) v[i] = activate<kElement, kActivation>(v[i]);
        put(v, first_row_ + next_);
      }
    }
  }

  void put(const Vec* v, std::size_t row) const {
    if (args_->store == Store::kTiles)
      return store_panel_row<kElement>(args_->y, args_->out * size_of(kElement) / kLineBytes, row, panel_, v);
    const std::size_t at = row * args_->y_stride + panel_ * kPanel;
    if constexpr (kElement == Element::kBf16)
      if (args_->y_element == Element::kBf16) return store_line<kElement>(static_cast<bf16*>(args_->y) + at, v);
    float* y = static_cast<float*>(args_->y) + at;
    for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
      float* to = y + i * kLanes;
      store(to, args_->store == Store::kAddRows ? fma(v[i], broadcast(args_->add_scale), load(to)) : v[i]);
    }
  }

  const LinearArgs* args_;
  const float* c_;
  std::size_t first_row_, rows_, panel_, next_ = 0;
};
