// One pass of a batch through a decoder.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/try.h"
#include "models/decoder.h"
#include "models/decoder_flops.h"

namespace rerank::models {

using kernels::Acts;
using kernels::Carver;
using kernels::CausalRows;
using kernels::kPageTokens;
using kernels::Tiles;

namespace {

std::size_t pages_of(std::size_t tokens) {
  return kernels::round_up(tokens, kPageTokens) / kPageTokens;
}

// What changes from layer to layer of where the sequences' tokens lie: compression makes them fewer.
struct Layout {
  std::vector<std::uint32_t> cu_rows;  // [sequences + 1]: rows of the batch
  std::vector<std::uint32_t> lengths;  // [sequences]: tokens, those before the pass included

  std::size_t rows() const { return cu_rows.back(); }
  std::size_t rows_of(std::size_t sequence) const { return cu_rows[sequence + 1] - cu_rows[sequence]; }
  // Tokens whose keys and values were there before the pass.
  std::size_t past(std::size_t sequence) const { return lengths[sequence] - rows_of(sequence); }
  std::size_t longest() const { return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end()); }
};

Layout layout_of(const CausalBatch& batch) {
  Layout layout;
  layout.cu_rows = batch.cu_seqlens;
  for (std::size_t s = 0; s < batch.sequences.size(); ++s)
    layout.lengths.push_back(static_cast<std::uint32_t>(batch.sequences[s].past_tokens + layout.rows_of(s)));
  return layout;
}

template <class Cols>
View<float, Tokens, Cols> some_rows(View<float, Tokens, Cols> x, std::size_t rows) {
  x.rows = rows;
  return x;
}
template <class Cols>
Tiles<Cols> some_rows(Tiles<Cols> x, std::size_t rows) {
  x.rows = rows;
  return x;
}

// Row `row` of f32 tiles (kernel_table.h).
void copy_row(const Tiles<Hidden>& tiles, std::size_t row, std::span<float> values) {
  constexpr std::size_t kPerLine = kernels::kLineBytes / sizeof(float);
  const auto* tile = static_cast<const float*>(tiles.data) +
                     row / kernels::kTileRows * kernels::kTileRows * tiles.cols + row % kernels::kTileRows * kPerLine;
  for (std::size_t c = 0; c < values.size(); ++c)
    values[c] = tile[c / kPerLine * kPerLine * kernels::kTileRows + c % kPerLine];
}

}  // namespace

// All scratch of a pass. Carved with no memory behind it, it tells how much is needed.
struct Decoder::Buffers {
  Buffers(Carver& carver, const Decoder& decoder, const Layout& layout, std::size_t pages, bool reads_states,
          std::size_t members)
      : Buffers(carver, decoder.config_, decoder.ops_, layout.rows(), layout.lengths.size(), layout.longest(),
                pages * decoder.kv_page_bytes(), reads_states, members) {}

  Acts<Hidden> x;         // [tokens, hidden]: the residual stream
  Tiles<Hidden> tiles;    // normalised, as the next product's left side
  Acts<HeadColumns> qkv;  // [tokens, query_width + key_value_width]
  void* planes;           // queries, one plane a key/value head
  std::size_t plane_stride;
  Tiles<HeadColumns> context;
  Tiles<Ffn> ffn;
  kernels::Integers integers;  // context or ffn, with integer layers
  Acts<Hidden> block;          // [tokens, hidden]: what a block gives, before its own norm; with sandwich_norms only
  Acts<Hidden> last_x;         // [sequences, hidden]: the last token of each sequence
  Tiles<Hidden> last_tiles;
  Tiles<Hidden> final_tiles;  // the same after the final norm, f32
  std::byte* own_pages;       // keys and values that go with the pass, of one layer
  std::size_t own_page_bytes;
  float* linear_scratch;  // of each member of the team, one after the other
  std::byte* attention_scratch;
  std::size_t attention_scratch_bytes;  // of one member

 private:
  Buffers(Carver& carver, const DecoderConfig& c, const kernels::Ops& ops, std::size_t tokens, std::size_t sequences,
          std::size_t longest, std::size_t page_bytes, bool reads_states, std::size_t members)
      : x(kernels::carve_acts<Hidden>(carver, tokens, c.hidden)),
        tiles(kernels::carve_tiles<Hidden>(carver, tokens, c.hidden, ops.layer_inputs())),
        qkv(kernels::carve_acts<HeadColumns>(carver, tokens, c.query_width() + c.key_value_width())),
        // Readable a block beyond its end, as attention wants it.
        plane_stride((kernels::round_up(tokens, kernels::kRowBlock) + kernels::kRowBlock) * c.query_width() /
                     c.kv_heads),
        context(kernels::carve_tiles<HeadColumns>(carver, tokens, c.query_width(), ops.activations())),
        ffn(kernels::carve_tiles<Ffn>(carver, tokens, c.ffn, ops.activations())),
        integers(ops.integer_layers() ? kernels::carve_integers(carver, tokens, std::max(c.query_width(), c.ffn))
                                      : kernels::Integers{}),
        last_x(kernels::carve_acts<Hidden>(carver, sequences, c.hidden)),
        last_tiles(kernels::carve_tiles<Hidden>(carver, sequences, c.hidden, ops.layer_inputs())),
        own_pages(carver.take<std::byte>(page_bytes)),
        own_page_bytes(page_bytes),
        linear_scratch(carver.take<float>(members * kernels::linear_scratch_floats())),
        attention_scratch_bytes(kernels::round_up(kernels::causal_attention_scratch_bytes(longest, ops.activations()),
                                                  kernels::kTileBytes)) {
    attention_scratch = carver.take<std::byte>(members * attention_scratch_bytes);
    planes = carver.take<std::byte>(c.kv_heads * plane_stride * kernels::size_of(ops.activations()));
    if (c.sandwich_norms) block = kernels::carve_acts<Hidden>(carver, tokens, c.hidden);
    if (reads_states) final_tiles = kernels::carve_tiles<Hidden>(carver, sequences, c.hidden, kernels::Element::kF32);
  }
};

class Decoder::Pass {
 public:
  Pass(const Decoder& decoder, const CausalBatch& batch, const CausalOptions& options, std::span<float> states,
       Trace* trace, Team* team)
      : decoder_(decoder),
        config_(decoder.config_),
        ops_(decoder.ops_.on(team)),
        batch_(batch),
        options_(options),
        states_(states),
        trace_(trace),
        layout_(layout_of(batch)) {
    for (std::size_t s = 0; s < batch.sequences.size(); ++s) {
      first_page_.push_back(static_cast<std::uint32_t>(pages_.size()));
      pages_.resize(pages_.size() + pages_of(layout_.lengths[s]));
      if (batch.sequences[s].keep == nullptr)
        own_pages_ += pages_of(layout_.lengths[s]) - batch.sequences[s].past_tokens / kPageTokens;
    }
  }

  Result<CausalWork> run(kernels::Workspace& workspace) {
    RERANK_TRY(check());
    rotary_ = decoder_.rotary_->rows(layout_.longest());
    Carver measure(nullptr);
    Buffers(measure, decoder_, layout_, own_pages_, !options_.cutoffs.empty(), ops_.members());
    RERANK_TRY(workspace.reserve(measure.used()));
    Carver carver = workspace.carve();
    const Buffers b(carver, decoder_, layout_, own_pages_, !options_.cutoffs.empty(), ops_.members());
    // Slots after a sequence's last token are multiplied by zero: they must not hold what is no number.
    std::memset(b.own_pages, 0, b.own_page_bytes);

    work_.tokens = batch_.tokens();
    embed(b.x);
    trace_last_rows("embeddings", b);
    for (std::size_t i = 0; i < options_.layers; ++i) {
      if (i < options_.compress_before.size() && options_.compress_before[i] && options_.compress_ratio > 1)
        compress(b.x, i);
      find_pages(i, b);
      run_layer(i, b);
      read_states(i + 1, b);
    }
    for (const CausalSequence& sequence : batch_.sequences)
      if (sequence.keep != nullptr) {
        const auto s = static_cast<std::size_t>(&sequence - batch_.sequences.data());
        sequence.keep->stored(batch_.cu_seqlens[s + 1] - batch_.cu_seqlens[s]);
      }
    return work_;
  }

 private:
  Status check() const {
    for (const std::int32_t id : batch_.token_ids)
      if (id < 0 || static_cast<std::size_t>(id) >= config_.vocabulary)
        return Error{Error::Code::kBadInput,
                     fmt::format("token id {} is outside the model's vocabulary of {}", id, config_.vocabulary), "",
                     "tokenizer.json and config.json must come from the same checkpoint"};
    for (std::size_t s = 0; s < layout_.lengths.size(); ++s)
      if (layout_.rows_of(s) == 0) return Error{Error::Code::kBadInput, "a pair without a token", "", ""};
    if (layout_.longest() > config_.positions)
      return Error{
          Error::Code::kBadInput,
          fmt::format("a pair of {} tokens, but the model has positions for {}", layout_.longest(), config_.positions),
          "", "use a smaller --max-length"};
    return {};
  }

  void embed(const Acts<Hidden>& x) const {
    const std::size_t hidden = config_.hidden;
    for (std::size_t r = 0; r < x.rows; ++r) {
      float* row = x.row(r).data();
      const auto id = static_cast<std::size_t>(batch_.token_ids[r]);
      if (decoder_.packed_embeddings_ != nullptr) {
        decoder_.packed_embeddings_->unpack_row(id, {row, hidden});
      } else {
        io::convert_to_f32(decoder_.embeddings_, id * hidden, {row, hidden});
      }
      for (std::size_t i = 0; i < hidden; ++i) row[i] *= config_.embedding_scale;
      std::fill(row + hidden, row + x.stride, 0.0f);
    }
  }

  // Each group of passage rows becomes its mean, in place: a row is never written before it was read.
  void compress(const Acts<Hidden>& x, std::size_t layer) {
    Layout shorter;
    shorter.cu_rows.push_back(0);
    std::size_t to = 0;
    const auto move = [&](std::size_t from, std::size_t count) {
      std::memmove(x.row(to).data(), x.row(from).data(), count * x.stride * sizeof(float));
      to += count;
    };
    for (std::size_t s = 0; s < batch_.sequences.size(); ++s) {
      const CausalSequence& sequence = batch_.sequences[s];
      const std::size_t first = layout_.cu_rows[s], rows = layout_.rows_of(s), past = layout_.past(s);
      const std::size_t kept = std::min(sequence.query_tokens - past, rows);
      const std::size_t end = rows - std::min(sequence.prompt_tokens, rows - kept);  // of the passage
      move(first, kept);
      for (std::size_t group = kept; group < end; group += options_.compress_ratio) {
        const std::size_t count = std::min(options_.compress_ratio, end - group);
        float* mean = x.row(to).data();
        if (to != first + group) std::memmove(mean, x.row(first + group).data(), x.stride * sizeof(float));
        for (std::size_t i = 1; i < count; ++i)
          for (std::size_t c = 0; c < x.cols; ++c) mean[c] += x.row(first + group + i)[c];
        for (std::size_t c = 0; c < x.cols; ++c) mean[c] /= static_cast<float>(count);
        ++to;
      }
      move(first + end, rows - end);
      shorter.cu_rows.push_back(static_cast<std::uint32_t>(to));
      shorter.lengths.push_back(static_cast<std::uint32_t>(past + to - shorter.cu_rows[s]));
    }
    layout_ = std::move(shorter);
    record(trace_, fmt::format("entering.{}", layer), some_rows(x, layout_.rows()), config_.hidden);
  }

  // The page tables of layer `layer`: full pages of the past as they lie, then pages of our own, the first of which
  // begins with what is left of the past.
  void find_pages(std::size_t layer, const Buffers& b) {
    std::byte* own = b.own_pages;
    const std::size_t page_bytes = decoder_.kv_page_bytes();
    for (std::size_t s = 0; s < batch_.sequences.size(); ++s) {
      const CausalSequence& sequence = batch_.sequences[s];
      const std::size_t end = s + 1 < first_page_.size() ? first_page_[s + 1] : pages_.size();
      const std::size_t full = sequence.past_tokens / kPageTokens;
      for (std::size_t i = 0; first_page_[s] + i < end; ++i) {
        std::byte*& page = pages_[first_page_[s] + i];
        if (sequence.keep != nullptr) {
          page = sequence.keep->page(layer, i);
        } else if (i < full) {
          page = const_cast<std::byte*>(sequence.past->page(layer, i));  // only read: no token of ours lies there
        } else {
          page = own;
          own += page_bytes;
          if (i == full && sequence.past_tokens % kPageTokens != 0)
            std::memcpy(page, sequence.past->page(layer, i), page_bytes);
        }
      }
    }
  }

  CausalRows causal_rows(const std::vector<std::uint32_t>& cu_rows) const {
    return {pages_.data(), first_page_.data(), cu_rows.data(), layout_.lengths.data(), layout_.lengths.size()};
  }

  void run_layer(std::size_t layer_idx, const Buffers& b) {
    const DecoderLayer& layer = decoder_.layers_[layer_idx];
    const bool last = layer_idx + 1 == options_.layers;
    const std::size_t rows = layout_.rows(), sequences = layout_.lengths.size();
    const Acts<Hidden> x = some_rows(b.x, rows);
    const Tiles<Hidden> tiles = some_rows(b.tiles, rows);
    ops_.rms_norm(x, layer.attention_norm, tiles);
    store_keys_values(layer, tiles, b);
    count_flops(layer_idx, last);
    if (last && options_.cutoffs.empty()) return;  // only keys and values were asked for
    if (!last) {
      attend_and_finish(layer, layer_idx, layout_.cu_rows, x, tiles, b);
      return;
    }
    gather_last_rows(b);
    ops_.rms_norm(b.last_x, layer.attention_norm, b.last_tiles);
    std::vector<std::uint32_t> one_each(sequences + 1);
    std::iota(one_each.begin(), one_each.end(), 0u);
    attend_and_finish(layer, layer_idx, one_each, b.last_x, b.last_tiles, b);
  }

  void store_keys_values(const DecoderLayer& layer, const Tiles<Hidden>& tiles, const Buffers& b) const {
    Acts<HeadColumns> key_value = some_rows(b.qkv, tiles.rows);
    key_value.data += config_.query_width();
    ops_.linear(tiles, layer.key_value, kernels::Activation::kNone, key_value, b.linear_scratch);
    ops_.store_keys_values({.x = key_value.data,
                            .rotary = rotary_->data(),
                            .rows = causal_rows(layout_.cu_rows),
                            .x_stride = key_value.stride,
                            .kv_heads = config_.kv_heads,
                            .head_dim = config_.padded_head_dim(),
                            .element = ops_.activations()});
  }

  // Attention and feed-forward of the rows of `x`, whose normalised form is in `tiles`.
  void attend_and_finish(const DecoderLayer& layer, std::size_t layer_idx, const std::vector<std::uint32_t>& cu_rows,
                         const Acts<Hidden>& x, const Tiles<Hidden>& tiles, const Buffers& b) const {
    const Acts<HeadColumns> query = some_rows(b.qkv, x.rows);
    ops_.linear(tiles, layer.query, kernels::Activation::kNone, query, b.linear_scratch);
    ops_.rotate_queries({.x = query.data,
                         .rotary = rotary_->data(),
                         .rows = causal_rows(cu_rows),
                         .x_stride = query.stride,
                         .plane_stride = b.plane_stride,
                         .heads = config_.heads,
                         .kv_heads = config_.kv_heads,
                         .head_dim = config_.padded_head_dim(),
                         .element = ops_.activations(),
                         .planes = b.planes});
    const Tiles<HeadColumns> context = some_rows(b.context, x.rows);
    ops_.causal_attention({.planes = b.planes,
                           .rows = causal_rows(cu_rows),
                           .plane_stride = b.plane_stride,
                           .heads = config_.heads,
                           .kv_heads = config_.kv_heads,
                           .head_dim = config_.padded_head_dim(),
                           .window = config_.windows[layer_idx],
                           .scale = config_.attention_scale,
                           .softcap = options_.attention_softcap ? config_.attention_softcap : 0,
                           .element = ops_.activations(),
                           .out = context.data,
                           .scratch = b.attention_scratch},
                          b.attention_scratch_bytes);
    add_block(context, layer.attention_output, layer.after_attention_norm, x, b);
    ops_.rms_norm(x, layer.ffn_norm, tiles);
    const Tiles<Ffn> ffn = some_rows(b.ffn, x.rows);
    ops_.linear_gated(tiles, layer.gate_up, config_.gate, ffn, b.linear_scratch);
    add_block(ffn, layer.down, layer.after_ffn_norm, x, b);
  }

  // x += residual_scale * block W^T, or the norm of it.
  template <class In>
  void add_block(const Tiles<In>& values, const kernels::Weight<Hidden, In>& w, const kernels::RmsNormWeights& norm,
                 const Acts<Hidden>& x, const Buffers& b) const {
    const Tiles<In> block = ops_.layer_input(values, b.integers);
    if (!config_.sandwich_norms) return ops_.linear_add(block, w, x, b.linear_scratch, config_.residual_scale);
    const Acts<Hidden> result = some_rows(b.block, x.rows);
    ops_.linear(block, w, kernels::Activation::kNone, result, b.linear_scratch);
    ops_.rms_norm_add(result, norm, x, config_.residual_scale);
  }

  void gather_last_rows(const Buffers& b) const {
    for (std::size_t s = 0; s < layout_.lengths.size(); ++s)
      std::copy_n(b.x.row(layout_.cu_rows[s + 1] - 1).data(), b.x.stride, b.last_x.row(s).data());
  }

  // After `done` layers: the last token of each sequence, normalised, if that is a cutoff.
  void read_states(std::size_t done, const Buffers& b) {
    const auto cutoff = std::find(options_.cutoffs.begin(), options_.cutoffs.end(), done);
    if (done < options_.layers && (cutoff != options_.cutoffs.end() || trace_ != nullptr)) gather_last_rows(b);
    if (done < options_.layers || !options_.cutoffs.empty())
      record(trace_, fmt::format("layer.{}", done - 1), b.last_x, config_.hidden);
    if (cutoff == options_.cutoffs.end()) return;
    ops_.rms_norm(b.last_x, decoder_.final_norm_, b.final_tiles);
    const std::size_t sequences = layout_.lengths.size();
    const auto first = static_cast<std::size_t>(cutoff - options_.cutoffs.begin()) * sequences;
    for (std::size_t s = 0; s < sequences; ++s)
      copy_row(b.final_tiles, s, states_.subspan((first + s) * config_.hidden, config_.hidden));
  }

  void trace_last_rows(const char* station, const Buffers& b) const {
    if (trace_ == nullptr) return;
    gather_last_rows(b);
    record(trace_, station, b.last_x, config_.hidden);
  }

  void count_flops(std::size_t layer_idx, bool last) {
    const std::size_t sequences = layout_.lengths.size();
    const std::size_t finished = !last ? layout_.rows() : options_.cutoffs.empty() ? 0 : sequences;
    work_.flops += decoder_layer_flops(config_, layout_.rows(), finished);
    for (std::size_t s = 0; s < sequences && finished > 0; ++s) {
      const std::size_t length = layout_.lengths[s];
      work_.flops +=
          decoder_attention_flops(config_, last ? length - 1 : layout_.past(s), length, config_.windows[layer_idx]);
    }
  }

  const Decoder& decoder_;
  const DecoderConfig& config_;
  const kernels::Ops ops_;
  const CausalBatch& batch_;
  const CausalOptions& options_;
  std::span<float> states_;
  Trace* trace_;
  Layout layout_;
  std::vector<std::byte*> pages_;          // page tables of all sequences, of the layer that runs
  std::vector<std::uint32_t> first_page_;  // [sequences]
  std::size_t own_pages_ = 0;
  RotaryTable::Rows rotary_;
  CausalWork work_;
};

Result<CausalWork> Decoder::forward(const CausalBatch& batch, const CausalOptions& options,
                                    kernels::Workspace& workspace, std::span<float> states, Trace* trace,
                                    Team* team) const {
  return Pass(*this, batch, options, states, trace, team).run(workspace);
}

}  // namespace rerank::models
