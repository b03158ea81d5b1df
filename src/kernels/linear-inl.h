// y = store(activation(x W^T + b)) over tiles and panels. No include guard: one copy for each target.
//
// Order of the loops: for each pass over the weights (linear_rows_per_pass), each panel is read once from memory and
// multiplied with all of them; within a panel, slices of kLinesPerPass lines stay in L1 while the row blocks, which
// stay in L2, go past. Partial sums between slices are stored as f32, which is exact, so that the slicing does not show
// in the result.

// The product of a block of tiles, `tiles_per_row` lines wide, with a panel that streams. A function of its own: where
// GCC 12 inlines both kinds of panel, the loops for few rows come out slower.
template <Element kX, class Work>
[[gnu::noinline]] void run_streamed(const std::byte* tiles, std::size_t tiles_per_row, std::size_t rows,
                                    std::size_t lines, const StreamedPanel& panel, float* c, bool accumulate,
                                    Work& work) {
  BlockProduct<kX>::run(left_of_tiles(tiles, tiles_per_row, 0), rows, lines, panel, c, kPanel, accumulate, work);
}

// kWidens: the weights are not held as kX, and are widened to it. kY is the element that the results are made for.
template <Element kX, bool kWidens, Element kY = kX>
inline void linear_of(const LinearArgs& args) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  constexpr bool kStreams = BlockProduct<kX>::kAsksAhead && !kWidens;
  const std::size_t lines = round_up(args.in, kPerLine) / kPerLine;
  const std::size_t bytes = panel_bytes(args.w_format, args.in);
  const std::size_t rows_per_pass = linear_rows_per_pass(lines * kLineBytes);
  const std::size_t end_panel = args.end_panel == 0 ? args.out / kPanel : args.end_panel;
  float* const sums = args.scratch;
  float* const widened = args.scratch + kMostRowsPerPass * kPanel;
  Epilogue<kY, kX> epilogue(args, nullptr, 0, 0, 0);
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
          if (kStreams && pass_rows >= StreamedPanel::kFewestRows) {
            run_streamed<kX>(left.data, lines, block_rows, slice_lines,
                             StreamedPanel(slice, slice_lines, pass_rows, row), c, line > 0, epilogue);
          } else {
            BlockProduct<kX>::run(left, block_rows, slice_lines, WholePanel(slice), c, kPanel, line > 0, epilogue);
          }
          epilogue.rest();
          if (line + slice_lines == lines) epilogue = Epilogue<kY, kX>(args, c, first + row, block_rows, panel);
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
  if constexpr (BlockProduct<kX>::kScalesSums)
    if (is_grouped(args.w_format) && groups_of(args.in) <= kMostGroupSums / kRowBlock) return integer_linear<kX>(args);
  if constexpr (BlockProduct<kX>::kChains)
    if (is_grouped(args.w_format) && args.rows <= kFewRows) return linear_of_few_rows<kX>(args);
  return args.w_format == format_of(kX) ? linear_of<kX, false>(args) : linear_of<kX, true>(args);
}

void linear(const LinearArgs& args) {
  begin_products();
  if (args.x_element == Element::kF32) linear_of<Element::kF32>(args);
  if (args.x_element == Element::kU8 && (args.y_element == Element::kF32 || !kNativeBf16))
    linear_of<Element::kU8, false, Element::kF32>(args);
  if constexpr (kNativeBf16) {
    if (args.x_element == Element::kBf16) linear_of<Element::kBf16>(args);
    if (args.x_element == Element::kU8 && args.y_element == Element::kBf16)
      linear_of<Element::kU8, false, Element::kBf16>(args);
  }
  end_products();
}
