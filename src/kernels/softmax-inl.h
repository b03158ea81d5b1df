// Softmax over a row of scores, and over columns that come in pieces. No include guard: one copy for each target.

// The lanes of `a` whose keys, counted from `key`, lie in [first, end); the others are `other`.
inline Vec lanes_between(Vec a, std::size_t key, std::size_t first, std::size_t end, Vec other) {
  a = first_lanes(a, end > key ? end - key : 0, other);
  return key < first ? first_lanes(other, first - key, a) : a;
}

// One row of scores [keys] to weights exp(scale * (s - max)) of the keys in [first, end), as lines of the left side
// [32, keys]; returns 1 / their sum. The other keys weigh exactly 0, so that they add nothing to any sum: a row is the
// same however many of them lie around it.
template <Element kElement>
inline float softmax_row(const float* scores, std::size_t first, std::size_t end, std::size_t keys, float scale,
                         std::size_t row, void* tiles) {
  Vec top = broadcast(-std::numeric_limits<float>::infinity());
  for (std::size_t key = first / kLanes * kLanes; key < end; key += kLanes) {
    const bool whole = key >= first && key + kLanes <= end;
    const Vec s = load(scores + key);
    top = max(top, whole ? s : lanes_between(s, key, first, end, top));
  }
  const Vec largest_score = broadcast(largest(top));
  const Vec factor = broadcast(scale);
  Vec total = broadcast(0.0f);
  const std::size_t tiles_per_row = keys * size_of(kElement) / kLineBytes;
  for (std::size_t panel = 0; panel < keys / kPanel; ++panel) {
    const bool whole = panel * kPanel >= first && (panel + 1) * kPanel <= end;
    Vec v[kVecsPerPanel];
    for (std::size_t i = 0; i < kVecsPerPanel; ++i) {
      const std::size_t key = panel * kPanel + i * kLanes;
      v[i] = exponential(mul(sub(load(scores + key), largest_score), factor));
      if (!whole) v[i] = lanes_between(v[i], key, first, end, broadcast(0.0f));
      total = add(total, v[i]);
    }
    store_panel_row<kElement>(tiles, tiles_per_row, row, panel, v);
  }
  return 1.0f / sum(total);
}

// scores = softcap * tanh(scale * scores / softcap) for the keys in [first, end), and for those that share a vector
// with them.
inline void cap_scores(float* scores, std::size_t first, std::size_t end, float scale, float softcap) {
  const Vec inner = broadcast(scale / softcap), outer = broadcast(softcap);
  for (std::size_t key = first / kLanes * kLanes; key < end; key += kLanes)
    store(scores + key, mul(tanh(mul(load(scores + key), inner)), outer));
}

void exp_sums(const float* x, std::size_t rows, std::size_t cols, std::size_t stride, float* largest_so_far,
              float* sums) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  for (std::size_t r = 0; r < rows; ++r) {
    const float* row = x + r * stride;
    const float before = largest_so_far[r];
    Vec top = broadcast(before);
    for (std::size_t c = 0; c < cols; c += kLanes) top = max(top, first_lanes(load(row + c), cols - c, top));
    const float now = largest(top);
    if (now == kNone) continue;  // nothing but minus infinity: no difference from it is a number
    Vec total = broadcast(0.0f);
    for (std::size_t c = 0; c < cols; c += kLanes) {
      const Vec e = exponential(sub(load(row + c), broadcast(now)));
      total = add(total, first_lanes(e, cols - c, broadcast(0.0f)));
    }
    alignas(kLineBytes) float shrunk[kLanes];
    store(shrunk, exponential(broadcast(before - now)));
    largest_so_far[r] = now;
    sums[r] = sums[r] * shrunk[0] + sum(total);
  }
}
