// Rows as integers of 8 bits with one scale each: the left side of products with kW8A8 weights. No include guard: one
// copy for each target.

// Takes those of more than `bound` out of the numbers, the largest if they are many. Returns the largest magnitude of
// the rest.
template <class At>
inline float take_outliers(const At& at, std::size_t cols, float bound, IntegerRow& row) {
  Vec small = broadcast(0.0f);
  float rest = 0;
  for (std::size_t c = 0; c < cols; c += kLanes) {
    const Vec v = at(c);
    if (!any_above(absolute(v), broadcast(bound))) {
      small = max(small, absolute(v));
      continue;
    }
    float values[kLanes];
    store(values, v);
    for (std::size_t i = 0; i < kLanes; ++i) {
      std::size_t out = row.outliers;  // which one has to go
      if (!(std::fabs(values[i]) > bound)) {
        rest = std::fabs(values[i]) > rest ? std::fabs(values[i]) : rest;
        continue;
      }
      if (row.outliers == kMostOutliers) {
        out = 0;
        for (std::size_t o = 1; o < kMostOutliers; ++o)
          if (std::fabs(row.values[o]) <= std::fabs(row.values[out])) out = o;  // of equal ones the last
        const bool goes = std::fabs(values[i]) > std::fabs(row.values[out]);
        const float stays = std::fabs(goes ? row.values[out] : values[i]);
        rest = stays > rest ? stays : rest;
        if (!goes) continue;
        for (; out + 1 < kMostOutliers; ++out) {
          row.values[out] = row.values[out + 1];
          row.columns[out] = row.columns[out + 1];
        }
      } else {
        ++row.outliers;
      }
      row.values[out] = values[i];
      row.columns[out] = static_cast<std::uint16_t>(c + i);
    }
  }
  const float of_small = largest(small);
  return of_small > rest ? of_small : rest;
}

// Row `r` of u8 tiles, and what it stands for (KernelTable::quantize_rows). at(c) gives the kLanes numbers from column
// c on.
template <class At>
inline void quantize_row(const At& at, std::size_t cols, void* u8_tiles, std::size_t r, IntegerRow* integer_rows) {
  const std::size_t u8_lines = round_up(cols, kLineBytes) / kLineBytes;
  Vec most = broadcast(0.0f), total = broadcast(0.0f), poison = broadcast(0.0f);
  for (std::size_t c = 0; c < cols; c += kLanes) {
    const Vec v = at(c);
    most = max(most, absolute(v));
    total = add(total, absolute(v));
    poison = fma(v, broadcast(0.0f), poison);  // no number if one of them is not finite
  }
  IntegerRow& row = integer_rows[r];
  row.outliers = 0;
  float top = largest(most) + sum(poison);
  const bool finite = top < std::numeric_limits<float>::infinity();
  const float bound = sum(total) / static_cast<float>(cols) * kOutlierOverMean;
  if (finite && top > bound) top = take_outliers(at, cols, bound, row);
  const bool zeros = !(top >= kLeastW8A8) || !finite;
  row.scale = top < kLeastW8A8 ? 0.0f : top / 127.0f;
  const Vec inverse = broadcast(zeros ? 0.0f : 127.0f / top), end_of_range = broadcast(127.0f);
  for (std::size_t line = 0; line < u8_lines; ++line) {
    auto* to = reinterpret_cast<std::uint8_t*>(line_of_tiles(u8_tiles, u8_lines, r, line));
    const std::size_t first = line * kLineBytes, end = zeros ? first : min_of(first + kLineBytes, cols);
    for (std::size_t c = first; c < end; c += kLanes)
      store_u8(to + c - first, max(min(mul(at(c), inverse), end_of_range), broadcast(-127.0f)));
    for (std::size_t c = end; c < first + kLineBytes; c += kLanes) store_u8(to + c - first, broadcast(0.0f));
  }
  constexpr std::byte kZero{128};
  for (std::size_t o = 0; o < row.outliers; ++o) {
    const std::size_t column = row.columns[o];
    line_of_tiles(u8_tiles, u8_lines, r, column / kLineBytes)[column % kLineBytes] = kZero;
  }
}

template <Element kX>
inline void quantize_rows_of(const void* tiles, std::size_t rows, std::size_t cols, void* u8_tiles,
                             IntegerRow* integer_rows) {
  constexpr std::size_t kPerLine = kLineBytes / size_of(kX);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::byte* x = row_of(left_of_tiles(tiles, cols / kPerLine, r), r % kTileRows);
    const auto at = [&](std::size_t c) {
      return load_lanes<kX>(x + c / kPerLine * kTileBytes + c % kPerLine * size_of(kX));
    };
    quantize_row(at, cols, u8_tiles, r, integer_rows);
  }
}

void quantize_rows(const void* tiles, std::size_t rows, std::size_t cols, Element element, void* u8_tiles,
                   IntegerRow* integer_rows) {
  if constexpr (kNativeBf16)
    if (element == Element::kBf16) return quantize_rows_of<Element::kBf16>(tiles, rows, cols, u8_tiles, integer_rows);
  quantize_rows_of<Element::kF32>(tiles, rows, cols, u8_tiles, integer_rows);
}
