// softmax(scale * q k^T) v, one sequence and head at a time. No include guard: one copy for each target.
//
// Keys and values of a head are repacked as panels once; then blocks of 32 queries each make a strip of scores [32,
// keys] that stays in L2, turn it into weights, and multiply with the values. No [tokens, tokens] matrix is ever
// stored. All block borders count from the sequence's own start, so a score does not depend on where in the batch its
// sequence lies.

// keys [n, width32] (in 32-bit units) to panels [n / 32][width32][32]. Reads rows up to a multiple of 32; the scores of
// the rows past `n` are never used.
inline void pack_keys(const std::uint32_t* keys, std::size_t stride, std::size_t n, std::size_t width,
                      std::uint32_t* panels) {
  for (std::size_t key = 0; key < n; key += kTileRows)
    for (std::size_t unit = 0; unit < width; unit += kTileRows)
      transpose_block(keys + key * stride + unit, stride,
                      panels + (key / kPanel * width + unit) * kPanel + key % kPanel, kPanel);
}

// values [n, head_dim] to panels [head_dim / 32][keys][32], pairs of keys side by side for bf16; rows past `n` are
// zero, since a weight of zero times a stray NaN would be NaN.
template <Element kElement>
inline void pack_values(const void* values, std::size_t stride, std::size_t n, std::size_t head_dim, void* panels) {
  const std::size_t keys = round_up(n, kPanel);
  for (std::size_t d = 0; d < head_dim; d += kPanel) {
    if constexpr (kElement == Element::kF32) {
      float* to = static_cast<float*>(panels) + d * keys;
      for (std::size_t key = 0; key < keys; ++key)
        for (std::size_t i = 0; i < kPanel; i += kLanes)
          store(to + key * kPanel + i,
                key < n ? load(static_cast<const float*>(values) + key * stride + d + i) : broadcast(0.0f));
    } else {
      alignas(kLineBytes) static constexpr bf16 kZeros[kPanel] = {};
      bf16* to = static_cast<bf16*>(panels) + d * keys;
      for (std::size_t key = 0; key < keys; key += 2) {
        const bf16* even = static_cast<const bf16*>(values) + key * stride + d;
        interleave<kElement>(key < n ? even : kZeros, key + 1 < n ? even + stride : kZeros, to + key * kPanel);
      }
    }
  }
}

template <Element kElement>
inline void attention_of(const AttentionArgs& args) {
  constexpr std::size_t kSize = size_of(kElement);
  constexpr std::size_t kPerLine = kLineBytes / kSize;
  NoWork no_work;
  const std::size_t out_tiles_per_row = args.heads * args.head_dim / kPerLine;
  const std::size_t end_head = args.end_head == 0 ? args.heads : args.end_head;
  for (std::size_t sequence = 0; sequence < args.sequences; ++sequence) {
    const std::size_t start = args.cu_seqlens[sequence], n = args.cu_seqlens[sequence + 1] - start;
    const std::size_t keys = round_up(n, kPanel);
    const std::size_t queries = args.query_rows == 0 ? n : min_of(args.query_rows, n);
    const std::size_t first_query = args.query_rows == 0 ? start : sequence * args.query_rows;
    std::byte* scratch = args.scratch;
    const auto take = [&scratch](std::size_t bytes) {
      std::byte* taken = scratch;
      scratch += round_up(bytes, kTileBytes);
      return taken;
    };
    std::byte* key_panels = take(keys * args.head_dim * kSize);
    std::byte* value_panels = take(keys * args.head_dim * kSize);
    auto* scores = reinterpret_cast<float*>(take(kRowBlock * keys * sizeof(float)));
    std::byte* weights = take(kRowBlock * keys * kSize);
    for (std::size_t head = args.first_head; head < end_head; ++head) {
      const auto at = [&](const void* base, std::size_t stride, std::size_t row) {
        return static_cast<const std::byte*>(base) + (row * stride + head * args.head_dim) * kSize;
      };
      pack_keys(reinterpret_cast<const std::uint32_t*>(at(args.k, args.kv_stride, start)), args.kv_stride * kSize / 4,
                n, args.head_dim * kSize / 4, reinterpret_cast<std::uint32_t*>(key_panels));
      pack_values<kElement>(at(args.v, args.kv_stride, start), args.kv_stride, n, args.head_dim, value_panels);
      for (std::size_t query = 0; query < queries; query += kRowBlock) {
        const std::size_t rows = min_of(kRowBlock, queries - query);
        const std::size_t q_bytes = args.q_stride * kSize;
        const Left left{at(args.q, args.q_stride, first_query + query), q_bytes, kLineBytes, q_bytes * kTileRows};
        for (std::size_t panel = 0; panel < keys / kPanel; ++panel)
          BlockProduct<kElement>::run(left, rows, args.head_dim / kPerLine,
                                      WholePanel(key_panels + panel * kPanel * args.head_dim * kSize),
                                      scores + panel * kPanel, keys, false, no_work);
        float inverse_sum[kRowBlock];
        for (std::size_t r = 0; r < rows; ++r)
          inverse_sum[r] = softmax_row<kElement>(scores + r * keys, 0, n, keys, args.scale, r, weights);
        const std::size_t weight_lines = keys / kPerLine;
        for (std::size_t d = 0; d < args.head_dim; d += kPanel) {
          alignas(kLineBytes) float c[kRowBlock * kPanel];
          BlockProduct<kElement>::run(left_of_tiles(weights, weight_lines, 0), rows, weight_lines,
                                      WholePanel(value_panels + d * keys * kSize), c, kPanel, false, no_work);
          for (std::size_t r = 0; r < rows; ++r) {
            Vec v[kVecsPerPanel];
            for (std::size_t i = 0; i < kVecsPerPanel; ++i)
              v[i] = mul(load(c + r * kPanel + i * kLanes), broadcast(inverse_sum[r]));
            store_panel_row<kElement>(args.out, out_tiles_per_row, first_query + query + r,
                                      (head * args.head_dim + d) / kPanel, v);
          }
        }
      }
    }
  }
}

void attention(const AttentionArgs& args) {
  begin_products();
  if (args.element == Element::kF32) attention_of<Element::kF32>(args);
  if constexpr (kNativeBf16)
    if (args.element == Element::kBf16) attention_of<Element::kBf16>(args);
  end_products();
}
