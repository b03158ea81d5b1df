// The kernels as the models call them: with axes in the types, and with the numerics of one loaded model.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/team.h"
#include "base/view.h"
#include "kernels/kernel_table.h"
#include "kernels/packed_weight.h"
#include "kernels/workspace.h"

namespace rerank::kernels {

// Row-major f32 activations [rows, cols]; cols and stride are padded to kPanel, padding columns are zero.
template <class Cols>
using Acts = View<float, Tokens, Cols>;

// Activations as the left side of a product (kernel_table.h, "tiles").
template <class Cols>
struct Tiles {
  void* data = nullptr;
  std::size_t rows = 0, cols = 0;  // cols padded to kPanel
  Element element = Element::kF32;
  IntegerRow* integer_rows = nullptr;  // [rows] of u8
};

// Several projections of one input side by side, row-major in the element of the activations.
struct Heads {
  void* data = nullptr;
  std::size_t rows = 0, stride = 0;
  Element element = Element::kF32;
  // The columns from `first` on, as a view of the same rows.
  Heads from(std::size_t first) const {
    return {static_cast<std::byte*>(data) + first * size_of(element), rows, stride, element};
  }
};

template <class Cols>
Acts<Cols> carve_acts(Carver& carver, std::size_t rows, std::size_t cols) {
  const std::size_t stride = round_up(cols, kPanel);
  return {carver.take<float>(round_up(rows, kRowBlock) * stride), rows, stride, stride};
}
// Room for a left side of kU8.
struct Integers {
  void* data = nullptr;
  IntegerRow* rows = nullptr;
};
inline Integers carve_integers(Carver& carver, std::size_t rows, std::size_t cols) {
  const std::size_t padded_rows = round_up(rows, kRowBlock);
  auto* data = carver.take<std::byte>(padded_rows * round_up(cols, kLineBytes));
  return {data, carver.take<IntegerRow>(padded_rows)};
}

template <class Cols>
Tiles<Cols> carve_tiles(Carver& carver, std::size_t rows, std::size_t cols, Element element) {
  const std::size_t padded = round_up(cols, kPanel);
  if (element == Element::kU8) {
    const Integers room = carve_integers(carver, rows, cols);
    return {room.data, rows, padded, element, room.rows};
  }
  return {carver.take<std::byte>(round_up(rows, kRowBlock) * padded * size_of(element)), rows, padded, element};
}

// Row out_row of `out` becomes row `row` of x; both have the same columns and element.
template <class Cols>
void copy_tiles_row(const Tiles<Cols>& x, std::size_t row, const Tiles<Cols>& out, std::size_t out_row) {
  const std::size_t lines = round_up(x.cols * size_of(x.element), kLineBytes) / kLineBytes;
  const auto line_of = [lines](const Tiles<Cols>& tiles, std::size_t r, std::size_t line) {
    return static_cast<std::byte*>(tiles.data) + (r / kTileRows * lines + line) * kTileBytes +
           r % kTileRows * kLineBytes;
  };
  for (std::size_t line = 0; line < lines; ++line)
    std::memcpy(line_of(out, out_row, line), line_of(x, row, line), kLineBytes);
  if (x.element == Element::kU8) out.integer_rows[out_row] = x.integer_rows[row];
}
// Readable one block past its last row, as attention wants it.
inline Heads carve_heads(Carver& carver, std::size_t rows, std::size_t cols, Element element) {
  return {carver.take<std::byte>((round_up(rows, kRowBlock) + kRowBlock) * cols * size_of(element)), rows, cols,
          element};
}

// LayerNorm's parameters, padded with zeros to kPanel.
struct NormWeights {
  AlignedBuffer buffer;  // weight, then bias
  std::size_t cols = 0;
  float eps = 0;

  static Result<NormWeights> make(std::span<const float> weight, std::span<const float> bias, float eps) {
    NormWeights norm;
    norm.cols = weight.size();
    norm.eps = eps;
    const std::size_t padded = round_up(norm.cols, kPanel);
    RERANK_ASSIGN(norm.buffer, AlignedBuffer::allocate(2 * padded * sizeof(float), "LayerNorm parameters"));
    for (std::size_t i = 0; i < norm.cols; ++i) {
      norm.buffer.as<float>()[i] = weight[i];
      norm.buffer.as<float>()[padded + i] = bias[i];
    }
    return norm;
  }
};

// RMSNorm's, likewise.
struct RmsNormWeights {
  AlignedBuffer buffer;
  std::size_t cols = 0;
  float eps = 0;

  static Result<RmsNormWeights> make(std::span<const float> weight, float eps) {
    RmsNormWeights norm;
    norm.cols = weight.size();
    norm.eps = eps;
    RERANK_ASSIGN(norm.buffer,
                  AlignedBuffer::allocate(round_up(norm.cols, kPanel) * sizeof(float), "RMSNorm parameters"));
    for (std::size_t i = 0; i < norm.cols; ++i) norm.buffer.as<float>()[i] = weight[i];
    return norm;
  }
};

class Ops {
 public:
  // `weights` is how the model's matrices are held, but for those of linear layers with `integer_layers`: they are
  // kW8A8. Without bf16 products the activations stay f32.
  Ops(const KernelTable& table, Element weights, bool integer_layers = false)
      : table_(&table),
        weights_(weights),
        activations_(table.native_bf16 ? weights : Element::kF32),
        integer_layers_(integer_layers) {}

  // The same operations, with products and causal attention done by the team (nullptr: by the caller alone), to the
  // same bits. Their scratch must be there for each member, one after the other.
  Ops on(Team* team) const {
    Ops ops = *this;
    ops.team_ = team;
    return ops;
  }
  Team* team() const { return team_; }
  std::size_t members() const { return team_ == nullptr ? 1 : team_->members(); }

  Element weights() const { return weights_; }
  Element activations() const { return activations_; }
  bool integer_layers() const { return integer_layers_; }
  // What linear layers take on their left side.
  Element layer_inputs() const { return integer_layers_ ? Element::kU8 : activations_; }

  // y = activation(x W^T + b) as the next product's left side.
  template <class Out, class In>
  void linear(const Tiles<In>& x, const Weight<Out, In>& w, Activation activation, const Tiles<Out>& y,
              float* scratch) const {
    run(x, w, y.data, 0, y.element, activation, Store::kTiles, scratch);
  }
  // y = activation(x W^T + b), f32 rows.
  template <class Out, class In>
  void linear(const Tiles<In>& x, const Weight<Out, In>& w, Activation activation, const Acts<Out>& y,
              float* scratch) const {
    run(x, w, y.data, y.stride, Element::kF32, activation, Store::kRows, scratch);
  }
  // y = gate(gates) * values as the next product's left side; W holds the gates and the values of y's padded columns,
  // 16 and 16 by turns (kernel_table.h, Activation).
  template <class GatesAndValues, class In, class Out>
  void linear_gated(const Tiles<In>& x, const Weight<GatesAndValues, In>& w, Activation gate, const Tiles<Out>& y,
                    float* scratch) const {
    run(x, w, y.data, 0, y.element, gate, Store::kTiles, scratch);
  }
  // y += scale * (x W^T + b), f32 rows.
  template <class Out, class In>
  void linear_add(const Tiles<In>& x, const Weight<Out, In>& w, const Acts<Out>& y, float* scratch,
                  float scale = 1) const {
    run(x, w, y.data, y.stride, Element::kF32, Activation::kNone, Store::kAddRows, scratch, scale);
  }
  // y = x W^T + b for the outputs of `count` panels of W from `first` on: a large W as stretches of its outputs.
  template <class Out, class In>
  void linear_panels(const Tiles<In>& x, const Weight<Out, In>& w, std::size_t first, std::size_t count,
                     const Acts<Out>& y, float* scratch) const {
    const auto* panels = static_cast<const std::byte*>(w.panels()) + first * panel_bytes(w.format(), w.in());
    table_->linear({x.data, panels, w.bias() + first * kPanel, y.data, x.rows, w.in(), count * kPanel, y.stride,
                    x.element, w.format(), Element::kF32, Activation::kNone, Store::kRows, scratch, 1, 0, 0,
                    x.integer_rows});
  }
  // y = x W^T + b as rows of heads.
  template <class Out, class In>
  void project(const Tiles<In>& x, const Weight<Out, In>& w, const Heads& y, float* scratch) const {
    run(x, w, y.data, y.stride, y.element, Activation::kNone, Store::kRows, scratch);
  }

  // `scratch_bytes`: of each member's scratch.
  void attention(const AttentionArgs& args, std::size_t scratch_bytes) const {
    if (members() == 1) return table_->attention(args);
    team_->run(args.heads, [&](std::size_t head, std::size_t member) {
      AttentionArgs part = args;
      part.first_head = head;
      part.end_head = head + 1;
      part.scratch = args.scratch + member * scratch_bytes;
      table_->attention(part);
    });
  }

  // x = LayerNorm(x), and the same as tiles.
  template <class Cols>
  void layer_norm(const Acts<Cols>& x, const NormWeights& norm, const Tiles<Cols>& tiles) const {
    const auto* weight = norm.buffer.as<float>();
    const LayerNormArgs args{x.data,
                             weight,
                             weight + round_up(norm.cols, kPanel),
                             tiles.data,
                             x.rows,
                             norm.cols,
                             x.stride,
                             norm.eps,
                             tiles.element,
                             tiles.integer_rows};
    in_row_blocks(x.rows, [&](std::size_t first, std::size_t rows) {
      LayerNormArgs part = args;
      part.x = args.x + first * args.stride;
      part.rows = rows;
      part.tiles =
          static_cast<std::byte*>(args.tiles) + first * round_up(tiles.cols * size_of(tiles.element), kLineBytes);
      if (tiles.integer_rows != nullptr) part.tiles_rows = tiles.integer_rows + first;
      table_->layer_norm(part);
    });
  }
  // tiles = RMSNorm(x).
  template <class Cols>
  void rms_norm(const Acts<Cols>& x, const RmsNormWeights& norm, const Tiles<Cols>& tiles) const {
    table_->rms_norm({x.data, norm.buffer.as<float>(), x.rows, norm.cols, x.stride, norm.eps, tiles.data, tiles.element,
                      nullptr, 0, 1, tiles.integer_rows});
  }
  // to += scale * RMSNorm(x).
  template <class Cols>
  void rms_norm_add(const Acts<Cols>& x, const RmsNormWeights& norm, const Acts<Cols>& to, float scale = 1) const {
    table_->rms_norm({x.data, norm.buffer.as<float>(), x.rows, norm.cols, x.stride, norm.eps, nullptr, Element::kF32,
                      to.data, to.stride, scale});
  }

  // x as a linear layer takes it: with integer_layers() as integers, in `integers`; else it is that already.
  template <class Cols>
  Tiles<Cols> layer_input(const Tiles<Cols>& x, const Integers& integers) const {
    if (!integer_layers_) return x;
    const std::size_t x_row = x.cols * size_of(x.element), row = round_up(x.cols, kLineBytes);
    in_row_blocks(x.rows, [&](std::size_t first, std::size_t rows) {
      table_->quantize_rows(static_cast<const std::byte*>(x.data) + first * x_row, rows, x.cols, x.element,
                            static_cast<std::byte*>(integers.data) + first * row, integers.rows + first);
    });
    return {integers.data, x.rows, x.cols, Element::kU8, integers.rows};
  }

  void rotate_queries(const RotateQueriesArgs& args) const { table_->rotate_queries(args); }
  void store_keys_values(const StoreKeysValuesArgs& args) const { table_->store_keys_values(args); }
  // `scratch_bytes`: of each member's scratch.
  void causal_attention(const CausalAttentionArgs& args, std::size_t scratch_bytes) const {
    if (members() == 1) return table_->causal_attention(args);
    // A stretch of a sequence's rows is a sequence that ends there.
    struct Stretch {
      std::uint32_t first_page, cu_rows[2], length;
    };
    std::vector<Stretch> stretches;
    for (std::size_t s = 0; s < args.rows.sequences; ++s) {
      const std::uint32_t first = args.rows.cu_rows[s], end = args.rows.cu_rows[s + 1];
      for (std::uint32_t row = first; row < end; row += kRowBlock) {
        const std::uint32_t stretch_end = std::min<std::uint32_t>(end, row + kRowBlock);
        stretches.push_back({args.rows.first_page[s], {row, stretch_end}, args.rows.lengths[s] - (end - stretch_end)});
      }
    }
    team_->run(stretches.size(), [&](std::size_t i, std::size_t member) {
      const Stretch& stretch = stretches[i];
      CausalAttentionArgs part = args;
      part.rows = {args.rows.pages, &stretch.first_page, stretch.cu_rows, &stretch.length, 1};
      part.scratch = args.scratch + member * scratch_bytes;
      table_->causal_attention(part);
    });
  }

  // One step of each row's softmax over `cols` columns of x (kernel_table.h); largest and sums are [x.rows].
  template <class Cols>
  void exp_sums(const Acts<Cols>& x, std::size_t cols, float* largest, float* sums) const {
    table_->exp_sums(x.data, x.rows, cols, x.stride, largest, sums);
  }

  template <class Cols>
  void to_tiles(const Acts<Cols>& x, const Tiles<Cols>& tiles) const {
    table_->to_tiles(x.data, x.rows, x.cols, x.stride, tiles.element, tiles.data);
  }

 private:
  // Calls part(first row, rows) for blocks of `rows` rows, done by the team.
  template <class Part>
  void in_row_blocks(std::size_t rows, const Part& part) const {
    if (members() == 1 || rows <= kRowBlock) return part(0, rows);
    team_->run(round_up(rows, kRowBlock) / kRowBlock, [&](std::size_t block, std::size_t /*member*/) {
      part(block * kRowBlock, std::min(kRowBlock, rows - block * kRowBlock));
    });
  }

  template <class In>
  void run(const Tiles<In>& x, const PackedWeight& w, void* y, std::size_t y_stride, Element y_element,
           Activation activation, Store store, float* scratch, float add_scale = 1) const {
    const LinearArgs args{x.data,  w.panels(), w.bias(),  y,          x.rows,    w.in(),
                          w.out(), y_stride,   x.element, w.format(), y_element, activation,
                          store,   scratch,    add_scale, 0,          0,         x.integer_rows};
    if (members() == 1) return table_->linear(args);
    // Enough parts that a member who is held up does not hold up the others for long.
    constexpr std::size_t kPartsPerMember = 4;
    const std::size_t panels = w.out() / kPanel, parts = std::min(panels, members() * kPartsPerMember);
    team_->run(parts, [&](std::size_t i, std::size_t member) {
      LinearArgs part = args;
      part.first_panel = i * panels / parts;
      part.end_panel = (i + 1) * panels / parts;
      part.scratch = scratch + member * linear_scratch_floats();
      table_->linear(part);
    });
  }

  const KernelTable* table_;
  Element weights_, activations_;
  bool integer_layers_;
  Team* team_ = nullptr;
};

}  // namespace rerank::kernels
