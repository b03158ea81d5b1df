// Kernels that see one row at a time. No include guard: one copy for each target, inside its namespace and region.

// Both passes over a row find it in L1. Padding columns are zero before and after: their weight and bias are zero.
template <Element kElement>
inline void layer_norm_of(const LayerNormArgs& args) {
  const std::size_t padded = round_up(args.cols, kPanel);
  const float count = static_cast<float>(args.cols);
  for (std::size_t r = 0; r < args.rows; ++r) {
    float* x = args.x + r * args.stride;
    Vec total = broadcast(0.0f);
    for (std::size_t c = 0; c < padded; c += kLanes) total = add(total, load(x + c));
    const Vec mean = broadcast(sum(total) / count);
    Vec squares = broadcast(0.0f);
    for (std::size_t c = 0; c < args.cols; c += kLanes) {
      const Vec d = first_lanes(sub(load(x + c), mean), args.cols - c, broadcast(0.0f));
      squares = fma(d, d, squares);
    }
    const Vec scale = broadcast(1.0f / std::sqrt(sum(squares) / count + args.eps));
    for (std::size_t c = 0; c < padded; c += kPanel) {
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
        const std::size_t at = c + i * kLanes;
        v[i] = fma(mul(sub(load(x + at), mean), scale), load(args.weight + at), load(args.bias + at));
        store(x + at, v[i]);
      }
      if constexpr (kElement != Element::kU8)
        store_panel_row<kElement>(args.tiles, padded * size_of(kElement) / kLineBytes, r, c / kPanel, v);
    }
    if constexpr (kElement == Element::kU8)
      quantize_row([x](std::size_t c) { return load(x + c); }, padded, args.tiles, r, args.tiles_rows);
  }
}

void layer_norm(const LayerNormArgs& args) {
  if (args.tiles_element == Element::kU8) return layer_norm_of<Element::kU8>(args);
  if constexpr (kNativeBf16)
    if (args.tiles_element == Element::kBf16) return layer_norm_of<Element::kBf16>(args);
  layer_norm_of<Element::kF32>(args);
}

// f(r, at) for each row of RMSNorm(x), of which at(c) gives the kLanes columns from c on.
template <class F>
inline void for_each_normed_row(const RmsNormArgs& args, const F& f) {
  const std::size_t padded = round_up(args.cols, kPanel);
  for (std::size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.stride;
    Vec squares = broadcast(0.0f);
    for (std::size_t c = 0; c < padded; c += kLanes) squares = fma(load(x + c), load(x + c), squares);
    const Vec scale = broadcast(1.0f / std::sqrt(sum(squares) / static_cast<float>(args.cols) + args.eps));
    f(r, [x, scale, weight = args.weight](std::size_t c) { return mul(mul(load(x + c), scale), load(weight + c)); });
  }
}

// f(r, c, v) for each 32 columns v of it.
template <class F>
inline void for_each_normed(const RmsNormArgs& args, const F& f) {
  for_each_normed_row(args, [&](std::size_t r, const auto& at) {
    for (std::size_t c = 0; c < round_up(args.cols, kPanel); c += kPanel) {
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) v[i] = at(c + i * kLanes);
      f(r, c, v);
    }
  });
}

template <Element kElement>
inline void rms_norm_to_tiles(const RmsNormArgs& args) {
  const std::size_t tiles_per_row = round_up(args.cols, kPanel) * size_of(kElement) / kLineBytes;
  for_each_normed(args, [&](std::size_t r, std::size_t c, const Vec* v) {
    store_panel_row<kElement>(args.tiles, tiles_per_row, r, c / kPanel, v);
  });
}

inline void rms_norm_to_integers(const RmsNormArgs& args) {
  for_each_normed_row(args, [&](std::size_t r, const auto& at) {
    quantize_row(at, round_up(args.cols, kPanel), args.tiles, r, args.tiles_rows);
  });
}

inline void add_rms_norm(const RmsNormArgs& args) {
  for_each_normed(args, [&](std::size_t r, std::size_t c, const Vec* v) {
    float* to = args.add_to + r * args.add_stride + c;
    for (std::size_t i = 0; i < kVecsPerPanel; ++i)
      store(to + i * kLanes, fma(v[i], broadcast(args.add_scale), load(to + i * kLanes)));
  });
}

void rms_norm(const RmsNormArgs& args) {
  if (args.tiles == nullptr) return add_rms_norm(args);
  if (args.tiles_element == Element::kU8) return rms_norm_to_integers(args);
  if constexpr (kNativeBf16)
    if (args.tiles_element == Element::kBf16) return rms_norm_to_tiles<Element::kBf16>(args);
  rms_norm_to_tiles<Element::kF32>(args);
}

template <Element kElement>
inline void to_tiles_of(const float* x, std::size_t rows, std::size_t cols, std::size_t stride, void* tiles) {
  const std::size_t padded = round_up(cols, kPanel);
  const std::size_t tiles_per_row = padded * size_of(kElement) / kLineBytes;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < padded; c += kPanel) {
      alignas(kLineBytes) float values[kPanel] = {};
      for (std::size_t j = 0; j < min_of(kPanel, cols - c); ++j) values[j] = x[r * stride + c + j];
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i) v[i] = load(values + i * kLanes);
      store_panel_row<kElement>(tiles, tiles_per_row, r, c / kPanel, v);
    }
}

void to_tiles(const float* x, std::size_t rows, std::size_t cols, std::size_t stride, Element element, void* tiles) {
  if constexpr (kNativeBf16)
    if (element == Element::kBf16) return to_tiles_of<Element::kBf16>(x, rows, cols, stride, tiles);
  to_tiles_of<Element::kF32>(x, rows, cols, stride, tiles);
}
