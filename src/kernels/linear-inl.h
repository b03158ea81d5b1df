// y = store(activation(x W^T + b)) over tiles and panels. No include guard: one copy for each target.
//
// Order of the loops: for each pass over the weights (linear_rows_per_pass), each panel is read once from memory and
// multiplied with all of them; within a panel, slices of kLinesPerPass lines stay in L1 while the row blocks, which
// stay in L2, go past. Partial sums between slices are stored as f32, which is exact, so that the slicing does not show
// in the result.

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
// unit works on the next block.
template <Element kElement>
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

  template <Activation kActivation>
  void finish_rows(std::size_t end) {
    Vec bias[kVecsPerPanel];
    for (std::size_t i = 0; i < kVecsPerPanel; ++i) bias[i] = load(args_->bias + panel_ * kPanel + i * kLanes);
    for (; next_ < end; ++next_) {
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) v[i] = add(load(c_ + next_ * kPanel + i * kLanes), bias[i]);
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

// kWidens: the weights are not held as kX, and are widened to it.
template <Element kX, bool kWidens>
inline void linear_of(const LinearArgs& args) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  const std::size_t lines = args.in / kPerLine;
  const std::size_t bytes = panel_bytes(args.w_format, args.in);
  const std::size_t rows_per_pass = linear_rows_per_pass(args.in * size_of(kX));
  const std::size_t end_panel = args.end_panel == 0 ? args.out / kPanel : args.end_panel;
  float* const sums = args.scratch;
  float* const widened = args.scratch + kMostRowsPerPass * kPanel;
  Epilogue<kX> epilogue(args, nullptr, 0, 0, 0);
  for (std::size_t first = 0; first < args.rows; first += rows_per_pass) {
    const std::size_t pass_rows = min_of(rows_per_pass, args.rows - first);
    // Few rows wait for the widening: the shorter the slice, the sooner the memory is asked for the next one.
    const std::size_t lines_per_slice = kWidens && pass_rows <= kRowBlock ? kGroup / kPerLine : kLinesPerPass;
    for (std::size_t panel = args.first_panel; panel < end_panel; ++panel) {
      const std::byte* weights = static_cast<const std::byte*>(args.panels) + panel * bytes;
      for (std::size_t line = 0; line < lines; line += lines_per_slice) {
        const std::size_t slice_lines = min_of(lines_per_slice, lines - line);
        const void* slice = weights + line * kPanelLineBytes;
        if constexpr (kWidens) {
          widen_slice<kX>(args.w_format, weights, line * kPerLine, slice_lines * kPerLine, widened);
          slice = widened;
        }
        for (std::size_t row = 0; row < pass_rows; row += kRowBlock) {
          const std::size_t block_rows = min_of(kRowBlock, pass_rows - row);
          Left left = left_of_tiles(args.x, lines, first + row);
          left.data += line * kTileBytes;
          float* c = sums + row * kPanel;
          if (pass_rows <= kRowBlock) epilogue.rest();  // its sums lie where this block's will
          BlockProduct<kX>::run(left, block_rows, slice_lines, WholePanel(slice), c, kPanel, line > 0, epilogue);
          epilogue.rest();
          if (line + slice_lines == lines) epilogue = Epilogue<kX>(args, c, first + row, block_rows, panel);
        }
      }
    }
    epilogue.rest();  // the next pass uses the same scratch
  }
}

// Up to kFewRows rows against integers, as a step of generation has them.
template <Element kX>
inline void linear_of_few_rows(const LinearArgs& args) {
  const Left left = left_of_tiles(args.x, args.in * size_of(kX) / kLineBytes, 0);
  const std::size_t bytes = panel_bytes(args.w_format, args.in);
  const std::size_t end_panel = args.end_panel == 0 ? args.out / kPanel : args.end_panel;
  for (std::size_t panel = args.first_panel; panel < end_panel; ++panel) {
    const std::byte* weights = static_cast<const std::byte*>(args.panels) + panel * bytes;
    if (args.w_format == WeightFormat::kInt4) {
      mul_few_rows<4, kX>(left, args.rows, weights, args.in, args.scratch);
    } else {
      mul_few_rows<8, kX>(left, args.rows, weights, args.in, args.scratch);
    }
    Epilogue<kX>(args, args.scratch, 0, args.rows, panel).rest();
  }
}

template <Element kX>
inline void linear_of(const LinearArgs& args) {
  if constexpr (BlockProduct<kX>::kChains)
    if (is_quantized(args.w_format) && args.rows <= kFewRows) return linear_of_few_rows<kX>(args);
  return args.w_format == format_of(kX) ? linear_of<kX, false>(args) : linear_of<kX, true>(args);
}

void linear(const LinearArgs& args) {
  begin_products();
  if (args.x_element == Element::kF32) linear_of<Element::kF32>(args);
  if constexpr (kNativeBf16)
    if (args.x_element == Element::kBf16) linear_of<Element::kBf16>(args);
  end_products();
}
