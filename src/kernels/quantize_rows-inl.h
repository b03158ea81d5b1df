// Rows as integers of 8 bits with one scale each: the left side of products with kW8A8 weights. No include guard: one
// copy for each target.

// Row `r` of u8 tiles, and its scale: the largest magnitude becomes 127, the others are rounded to nearest even. A row
// that is not finite has a scale that is not. at(c) gives the kLanes numbers from column c on.
template <class At>
inline void quantize_row(const At& at, std::size_t cols, void* u8_tiles, std::size_t r, float* scales) {
  const std::size_t u8_lines = round_up(cols, kLineBytes) / kLineBytes;
  Vec most = broadcast(0.0f), poison = broadcast(0.0f);
  for (std::size_t c = 0; c < cols; c += kLanes) {
    const Vec v = at(c);
    most = max(most, absolute(v));
    poison = fma(v, broadcast(0.0f), poison);  // no number if one of them is not finite
  }
  const float top = largest(most) + sum(poison);
  const bool zeros = !(top >= kLeastW8A8) || !(top < std::numeric_limits<float>::infinity());
  scales[r] = top < kLeastW8A8 ? 0.0f : top / 127.0f;
  const Vec inverse = broadcast(zeros ? 0.0f : 127.0f / top);
  for (std::size_t line = 0; line < u8_lines; ++line) {
    auto* to = reinterpret_cast<std::uint8_t*>(line_of_tiles(u8_tiles, u8_lines, r, line));
    const std::size_t first = line * kLineBytes, end = zeros ? first : min_of(first + kLineBytes, cols);
    for (std::size_t c = first; c < end; c += kLanes) store_u8(to + c - first, mul(at(c), inverse));
    for (std::size_t c = end; c < first + kLineBytes; c += kLanes) store_u8(to + c - first, broadcast(0.0f));
  }
}

template <Element kX>
inline void quantize_rows_of(const void* tiles, std::size_t rows, std::size_t cols, void* u8_tiles, float* scales) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::byte* x = row_of(left_of_tiles(tiles, cols / kPerLine, r), r % kTileRows);
    const auto at = [&](std::size_t c) {
      return load_lanes<kX>(x + c / kPerLine * kTileBytes + c % kPerLine * size_of(kX));
    };
    quantize_row(at, cols, u8_tiles, r, scales);
  }
}

void quantize_rows(const void* tiles, std::size_t rows, std::size_t cols, Element element, void* u8_tiles,
                   float* scales) {
  if constexpr (kNativeBf16)
    if (element == Element::kBf16) return quantize_rows_of<Element::kBf16>(tiles, rows, cols, u8_tiles, scales);
  quantize_rows_of<Element::kF32>(tiles, rows, cols, u8_tiles, scales);
}
