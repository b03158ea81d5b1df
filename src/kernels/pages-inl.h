// Rotary positions, and the way of queries, keys and values to where causal attention reads them. No include guard: one
// copy for each target.

// Calls f(row, position, page, column) for each row of the batch.
template <class F>
inline void for_each_row(const CausalRows& rows, const F& f) {
  for (std::size_t sequence = 0; sequence < rows.sequences; ++sequence) {
    const std::size_t first = rows.cu_rows[sequence], end = rows.cu_rows[sequence + 1];
    std::byte* const* pages = rows.pages + rows.first_page[sequence];
    std::size_t position = rows.lengths[sequence] - (end - first);
    for (std::size_t row = first; row < end; ++row, ++position)
      f(row, position, pages[position / kPageTokens], position % kPageTokens);
  }
}

// Rotates kLanes dims of the lower half of a head, and those of the upper half that go with them.
inline void rotate(const float* x, const float* angles, std::size_t half, std::size_t dim, Vec& low, Vec& high) {
  const Vec a = load(x + dim), b = load(x + half + dim);
  const Vec cosine = load(angles + dim), sine = load(angles + half + dim);
  low = fnma(b, sine, mul(a, cosine));
  high = fma(a, sine, mul(b, cosine));
}

template <Element kElement>
inline void rotate_queries_of(const RotateQueriesArgs& args) {
  constexpr std::size_t kSize = size_of(kElement);
  const std::size_t group = args.heads / args.kv_heads, half = args.head_dim / 2;
  for_each_row(args.rows, [&](std::size_t row, std::size_t position, std::byte*, std::size_t) {
    const float* angles = args.rotary + position * args.head_dim;
    for (std::size_t head = 0; head < args.heads; ++head) {
      const float* x = args.x + row * args.x_stride + head * args.head_dim;
      const std::size_t at = head / group * args.plane_stride + (row * group + head % group) * args.head_dim;
      std::byte* to = static_cast<std::byte*>(args.planes) + at * kSize;
      for (std::size_t dim = 0; dim < half; dim += kLanes) {
        Vec low, high;
        rotate(x, angles, half, dim, low, high);
        store_lanes<kElement>(to + dim * kSize, low);
        store_lanes<kElement>(to + (half + dim) * kSize, high);
      }
    }
  });
}

void rotate_queries(const RotateQueriesArgs& args) {
  if constexpr (kNativeBf16)
    if (args.element == Element::kBf16) return rotate_queries_of<Element::kBf16>(args);
  rotate_queries_of<Element::kF32>(args);
}

// 16 dims of one key to one column of a panel: units of 4 bytes, the stride of a line apart.
template <Element kElement>
inline void put_key(const std::byte* dims, std::size_t column, std::byte* panel) {
  for (std::size_t unit = 0; unit < kTileRows * size_of(kElement) / 4; ++unit)
    std::memcpy(panel + (unit * kPanel + column) * 4, dims + unit * 4, 4);
}

// 32 dims of one value to one row of a panel; two bf16 rows lie in each other's gaps.
template <Element kElement>
inline void put_value(const float* x, std::size_t row, std::byte* panel) {
  constexpr std::size_t kSize = size_of(kElement);
  if constexpr (kElement == Element::kF32) {
    for (std::size_t i = 0; i < kPanel; i += kLanes)
      store_lanes<kElement>(panel + (row * kPanel + i) * kSize, load(x + i));
  } else {
    std::byte values[kPanel * kSize];
    for (std::size_t i = 0; i < kPanel; i += kLanes) store_lanes<kElement>(values + i * kSize, load(x + i));
    std::byte* to = panel + row / 2 * 2 * kPanel * kSize + row % 2 * kSize;
    for (std::size_t i = 0; i < kPanel; ++i) std::memcpy(to + 2 * i * kSize, values + i * kSize, kSize);
  }
}

template <Element kElement>
inline void store_keys_values_of(const StoreKeysValuesArgs& args) {
  constexpr std::size_t kSize = size_of(kElement);
  constexpr std::size_t kStep = kTileRows;  // dims: whole vectors at every level, whole units of either element
  const std::size_t half = args.head_dim / 2, keys_bytes = args.head_dim * kPageTokens * kSize;
  for_each_row(args.rows, [&](std::size_t row, std::size_t position, std::byte* page, std::size_t column) {
    const float* angles = args.rotary + position * args.head_dim;
    for (std::size_t head = 0; head < args.kv_heads; ++head) {
      const float* key = args.x + row * args.x_stride + head * args.head_dim;
      const float* value = key + args.kv_heads * args.head_dim;
      std::byte* keys = page + head * 2 * keys_bytes;
      std::byte* values = keys + keys_bytes;
      for (std::size_t dim = 0; dim < half; dim += kStep) {
        std::byte low[kStep * kSize], high[kStep * kSize];
        for (std::size_t i = 0; i < kStep; i += kLanes) {
          Vec a, b;
          rotate(key, angles, half, dim + i, a, b);
          store_lanes<kElement>(low + i * kSize, a);
          store_lanes<kElement>(high + i * kSize, b);
        }
        put_key<kElement>(low, column, keys + dim * kPageTokens * kSize);
        put_key<kElement>(high, column, keys + (half + dim) * kPageTokens * kSize);
      }
      for (std::size_t dim = 0; dim < args.head_dim; dim += kPanel)
        put_value<kElement>(value + dim, column, values + dim * kPageTokens * kSize);
    }
  });
}

void store_keys_values(const StoreKeysValuesArgs& args) {
  if constexpr (kNativeBf16)
    if (args.element == Element::kBf16) return store_keys_values_of<Element::kBf16>(args);
  store_keys_values_of<Element::kF32>(args);
}
