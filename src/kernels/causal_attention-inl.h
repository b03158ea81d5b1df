// Causal attention over pages of keys and values. No include guard: one copy for each target.
//
// The query heads that share a key/value head go through the products together: a row of a block is a (token, head of
// the group) pair. Each block of 32 rows makes a strip of scores against the pages that any of its rows sees, turns it
// into weights row by row, and multiplies with the values of those pages. Pages begin at the sequence's first token,
// and a weight outside of a row's own range is exactly 0: so a row does not depend on the rows it shares a block with.

// 32 dims of the values of one head, page after page.
template <Element kElement>
struct PagedValues {
  std::byte* const* pages;
  std::size_t offset;
  const std::byte* line(std::size_t i) const {
    constexpr std::size_t kLinesPerPage = kPageTokens * size_of(kElement) / kLineBytes;
    return pages[i / kLinesPerPage] + offset + i % kLinesPerPage * kPanelLineBytes;
  }
  template <std::size_t>
  AsksNothing ahead(std::size_t, std::size_t) const {
    return {};
  }
};

// Some (token, head) rows of one sequence and key/value head.
struct CausalBlock {
  std::byte* const* pages;
  std::size_t kv_head;
  std::size_t first_token, first_position;  // of the sequence's rows: its index in the batch, and its position
  std::size_t first_row, rows;              // of the block, counted from there
};

template <Element kElement>
inline void attend(const CausalAttentionArgs& args, const CausalBlock& block) {
  constexpr std::size_t kSize = size_of(kElement);
  constexpr std::size_t kPerLine = kLineBytes / kSize;
  NoWork no_work;
  const std::size_t group = args.heads / args.kv_heads;
  const auto token_of = [&](std::size_t row) { return (block.first_row + row) / group; };
  const auto end_of = [&](std::size_t row) { return block.first_position + token_of(row) + 1; };
  const auto first_of = [&](std::size_t row) {
    const std::size_t end = end_of(row);
    return args.window != 0 && end > args.window ? end - args.window : 0;
  };
  const std::size_t first_page = first_of(0) / kPageTokens, first_key = first_page * kPageTokens;
  const std::size_t keys = round_up(end_of(block.rows - 1) - first_key, kPageTokens);
  std::byte* const* pages = block.pages + first_page;
  const std::size_t keys_bytes = args.head_dim * kPageTokens * kSize;
  const std::size_t keys_at = block.kv_head * 2 * keys_bytes, values_at = keys_at + keys_bytes;

  auto* scores = reinterpret_cast<float*>(args.scratch);
  std::byte* weights = args.scratch + kRowBlock * keys * sizeof(float);
  const std::size_t row_bytes = args.head_dim * kSize;
  const std::size_t queries_at =
      block.kv_head * args.plane_stride + (block.first_token * group + block.first_row) * args.head_dim;
  const Left queries{static_cast<const std::byte*>(args.planes) + queries_at * kSize, row_bytes, kLineBytes,
                     row_bytes * kTileRows};
  for (std::size_t page = 0; page < keys / kPageTokens; ++page)
    BlockProduct<kElement>::run(queries, block.rows, args.head_dim / kPerLine, WholePanel(pages[page] + keys_at),
                                scores + page * kPageTokens, keys, false, no_work);

  float inverse_sum[kRowBlock];
  for (std::size_t r = 0; r < block.rows; ++r) {
    float* row = scores + r * keys;
    const std::size_t first = first_of(r) - first_key, end = end_of(r) - first_key;
    if (args.softcap != 0) cap_scores(row, first, end, args.scale, args.softcap);
    inverse_sum[r] = softmax_row<kElement>(row, first, end, keys, args.softcap != 0 ? 1.0f : args.scale, r, weights);
  }

  const std::size_t out_tiles_per_row = args.heads * args.head_dim / kPerLine;
  for (std::size_t d = 0; d < args.head_dim; d += kPanel) {
    alignas(kLineBytes) float c[kRowBlock * kPanel];
    BlockProduct<kElement>::run(left_of_tiles(weights, keys / kPerLine, 0), block.rows, keys / kPerLine,
                                PagedValues<kElement>{pages, values_at + d * kPageTokens * kSize}, c, kPanel, false,
                                no_work);
    for (std::size_t r = 0; r < block.rows; ++r) {
      Vec v[kVecsPerPanel];
      for (std::size_t i = 0; i < kVecsPerPanel; ++i)
        v[i] = mul(load(c + r * kPanel + i * kLanes), broadcast(inverse_sum[r]));
      const std::size_t head = block.kv_head * group + (block.first_row + r) % group;
      store_panel_row<kElement>(args.out, out_tiles_per_row, block.first_token + token_of(r),
                                (head * args.head_dim + d) / kPanel, v);
    }
  }
}

template <Element kElement>
inline void causal_attention_of(const CausalAttentionArgs& args) {
  const CausalRows& rows = args.rows;
  for (std::size_t sequence = 0; sequence < rows.sequences; ++sequence) {
    const std::size_t first = rows.cu_rows[sequence], tokens = rows.cu_rows[sequence + 1] - first;
    const std::size_t pairs = tokens * (args.heads / args.kv_heads);
    for (std::size_t kv_head = 0; kv_head < args.kv_heads; ++kv_head)
      for (std::size_t row = 0; row < pairs; row += kRowBlock)
        attend<kElement>(args, {rows.pages + rows.first_page[sequence], kv_head, first, rows.lengths[sequence] - tokens,
                                row, min_of(kRowBlock, pairs - row)});
  }
}

void causal_attention(const CausalAttentionArgs& args) {
  begin_products();
  if (args.element == Element::kF32) causal_attention_of<Element::kF32>(args);
  if constexpr (kNativeBf16)
    if (args.element == Element::kBf16) causal_attention_of<Element::kBf16>(args);
  end_products();
}
