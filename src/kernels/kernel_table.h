// The kernels of one CPU level, as plain functions on plain pointers. ops.h is the typed way to call them.
//
// Layouts. All of them count in 64-byte lines, so that one scheme serves f32 and bf16 and every level.
//
//   tile     16 rows x 64 bytes, rows contiguous: 1 KiB. Holds 16 rows x 16 f32, 32 bf16 or 64 u8.
//   tiles    a matrix [rows, cols] as the left side of a product: tile (r / 16, c / per_line) lies at index
//            (r / 16) * tiles_per_row + c / per_line. Rows are padded to 16, cols to 32; padding columns are zero.
//            u8 stand for (u8 - 128) * the scale of their row, which lies elsewhere (IntegerRow); cols are padded
//            to 64.
//   rows     row-major f32 or bf16 with a stride in elements.
//   panels   a weight [out, in] as the right side: 32 outputs a panel, inputs innermost last:
//            f32:  panel[p][k][32]           element (32 p + j, k) at p * in * 32 + k * 32 + j
//            bf16: panel[p][k / 2][32][2]    pairs of inputs side by side, as the dot-product instructions want them
//            int8, int4: groups of kGroup inputs one after the other, the last one of what is left. A group of g
//            inputs:
//              words[g / n][32]  u32: n = 32 / bits inputs of one output, even ones in its lower half; input k has the
//                                bits from k % 2 * 16 + k % n / 2 * bits on
//              scales[32]        f32
//              zeros[32]         u16
//            element (32 p + j, k) is (bits - zero[j]) * scale[j], rounded once to f32; integers_avx512_bf16-inl.h puts
//            the scale after the sum instead.
//            w8a8: symmetric integers for u8 on the left side, inputs padded to 64:
//              panel[p][k / 4][32][4]  s8, four inputs side by side
//              scales[32]              f32: element (32 p + j, k) is s8 * scale[j]
//              offsets[32]             i32: 128 times the sum of output j's integers, what u8 sums are too large by
//            `in` and `out` are padded to 32 with zeros.
//
// Every result row is computed from its own input row by the same operations in the same order, whatever the other rows
// are and however many: that is what makes scores independent of the batch, and it is tested bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rerank::kernels {

inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kTileBytes = 1024;
inline constexpr std::size_t kLineBytes = 64;
inline constexpr std::size_t kPanel = 32;     // outputs a panel; sizes are padded to it
inline constexpr std::size_t kRowBlock = 32;  // rows a block of the product computes at a time

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

struct bf16 {
  std::uint16_t bits;
};

// kU8 is the left side of products with kW8A8 weights, and of nothing else. The norms and quantize_rows() make it.
enum class Element : std::uint8_t { kF32, kBf16, kU8 };
constexpr std::size_t size_of(Element element) {
  constexpr std::size_t kBytes[] = {4, 2, 1};
  return kBytes[static_cast<std::size_t>(element)];
}

// How a weight is held. kInt8 and kInt4, integers in groups of inputs, become `Element`s a slice at a time, while they
// are multiplied. kW8A8, integers with one scale an output, are multiplied as they are with inputs of 8 bits; the sums
// are exact.
enum class WeightFormat : std::uint8_t { kF32, kBf16, kInt8, kInt4, kW8A8 };
inline constexpr std::size_t kWeightFormats = 5;
// `element` is not kU8.
constexpr WeightFormat format_of(Element element) {
  return element == Element::kF32 ? WeightFormat::kF32 : WeightFormat::kBf16;
}
constexpr std::size_t bits_of(WeightFormat format) {
  constexpr std::size_t kBits[kWeightFormats] = {32, 16, 8, 4, 8};
  return kBits[static_cast<std::size_t>(format)];
}
constexpr bool is_grouped(WeightFormat format) {
  return format == WeightFormat::kInt8 || format == WeightFormat::kInt4;
}
inline constexpr std::size_t kGroup = 128;  // inputs that share a scale and a zero
constexpr std::size_t groups_of(std::size_t in) {
  return (in + kGroup - 1) / kGroup;
}
// Bytes of a panel, or of its first `in` inputs: as many as a multiple of kGroup, or all of them.
constexpr std::size_t panel_bytes(WeightFormat format, std::size_t in) {
  constexpr std::size_t kGroupParameters = kPanel * (sizeof(float) + sizeof(std::uint16_t));
  constexpr std::size_t kW8A8Parameters = kPanel * (sizeof(float) + sizeof(std::int32_t));
  if (format == WeightFormat::kW8A8) return round_up(in, kLineBytes) * kPanel + kW8A8Parameters;
  return in * kPanel * bits_of(format) / 8 + (is_grouped(format) ? groups_of(in) * kGroupParameters : 0);
}
// u8 sums of more inputs may leave 32 bits.
inline constexpr std::size_t kMostW8A8Inputs = std::size_t{1} << 16;
// Rows whose magnitudes are all below it become zeros: no float holds 127 over some of those.
inline constexpr float kLeastW8A8 = 1e-30f;

// What the integers of a row of u8 stand for. The few numbers that are far larger than the others of their row would
// take nearly all steps for themselves (Dettmers et al. 2022, LLM.int8()): they stand apart, as they are, and their
// integers are zero.
inline constexpr std::size_t kMostOutliers = 7;
// Outliers are those of more than so many times the mean magnitude, and of those the largest.
inline constexpr float kOutlierOverMean = 16;
struct alignas(kLineBytes) IntegerRow {
  float scale;
  std::uint32_t outliers;  // how many, in rising order of their columns
  float values[kMostOutliers];
  std::uint16_t columns[kMostOutliers];
};

// The gated ones take two projections at once: in each panel of 32 outputs the first 16 are gates, the last 16 the
// values they gate, and the result activation(gate) * value has half the columns: `out` is a multiple of 2 kPanel, so
// that they are padded as tiles want them. They go with Store::kTiles only.
enum class Activation : std::uint8_t { kNone, kGelu, kRelu, kTanh, kSiluGate, kGeluTanhGate };
constexpr bool is_gate(Activation activation) {
  return activation == Activation::kSiluGate || activation == Activation::kGeluTanhGate;
}

enum class Store : std::uint8_t {
  kTiles,    // y = f(x W^T + b), as tiles of y_element: with another input than u8, of the input's element
  kRows,     // y = f(x W^T + b), row-major, f32 or bf16
  kAddRows,  // y += add_scale * (x W^T + b), row-major f32: the residual stream
};

// y[r, o] = store(activation(sum_i x[r, i] * w[o, i] + bias[o])), sums in f32.
struct LinearArgs {
  const void* x;       // tiles [rows, in] of `x_element`; readable up to a multiple of kRowBlock rows
  const void* panels;  // weight [out, in] in `w_format`
  const float* bias;   // [out padded], zeros where the layer has none
  void* y;             // tiles [rows, out] or rows with y_stride; writable up to a multiple of kRowBlock rows
  std::size_t rows, in, out, y_stride;  // in and out are the padded sizes
  Element x_element;
  WeightFormat w_format;
  Element y_element;
  Activation activation;
  Store store;
  float* scratch;  // linear_scratch_floats()
  float add_scale = 1;
  // Only the outputs of the panels first_panel .. end_panel are computed; 0: to the last one. Several threads may
  // compute a product's panels at the same time.
  std::size_t first_panel = 0, end_panel = 0;
  const IntegerRow* x_rows = nullptr;  // [rows] of x as u8
};

// Multi-head attention over sequences that lie end to end: softmax(scale * q k^T) v per sequence and head, both
// directions.
struct AttentionArgs {
  const void* q;  // row-major [queries, heads * head_dim] of `element`; readable up to kRowBlock rows past the last one
  const void* k;  // row-major [rows, heads * head_dim], and v likewise; readable up to kPanel rows past the last one
  const void* v;
  std::size_t q_stride, kv_stride;         // elements
  const std::uint32_t* cu_seqlens;         // [sequences + 1]: sequence i owns rows cu_seqlens[i] .. cu_seqlens[i + 1]
  std::size_t sequences, heads, head_dim;  // head_dim padded to 32; padding columns of q, k, v are zero
  // 0: every row is a query, and row r of q and out is row r of k. Else only the first `query_rows` rows of each
  // sequence are queries, and q and out hold only those: sequence i begins at their row i * query_rows.
  std::size_t query_rows;
  float scale;
  Element element;
  void* out;           // tiles [queries, heads * head_dim] of `element`
  std::byte* scratch;  // attention_scratch_bytes(longest sequence, head_dim, element)
  // Only the heads first_head .. end_head are computed; 0: to the last one. Several threads may compute heads at the
  // same time.
  std::size_t first_head = 0, end_head = 0;
};

// Keys and values of a causal sequence lie in pages of kPageTokens tokens, in the layout that the products read, so
// that sequences with the same beginning can share pages. One page of one layer holds, for each key/value head in turn,
//   keys    [head_dim] lines of 32 keys, as the panel of a weight [32 keys, head_dim] would lie
//   values  [head_dim / 32] panels of a weight [32 dims, 32 keys]
// and is kv_page_bytes() long. Token p of a sequence is column p % 32 of the page p / 32 of its table. Values of tokens
// that were never stored must be finite: a page is cleared before its first use.
inline constexpr std::size_t kPageTokens = kPanel;
constexpr std::size_t kv_page_bytes(std::size_t kv_heads, std::size_t head_dim, Element element) {
  return kv_heads * 2 * head_dim * kPageTokens * size_of(element);
}

// Some sequences of which a pass computes the last rows. Row j of the m rows of a sequence is its token at the position
// lengths[sequence] - m + j.
struct CausalRows {
  std::byte* const* pages;          // page tables of all sequences, of one layer
  const std::uint32_t* first_page;  // [sequences]: where a sequence's table begins in `pages`
  const std::uint32_t* cu_rows;     // [sequences + 1]: sequence i owns rows cu_rows[i] .. cu_rows[i + 1]
  const std::uint32_t* lengths;     // [sequences]: its tokens, those of these rows included
  std::size_t sequences;
};

// Rotary position embedding (Su et al. 2021), in the halves form: with a = x[i], b = x[i + head_dim / 2],
//   x'[i] = a cos - b sin,  x'[i + head_dim / 2] = b cos + a sin.
// Queries [rows, heads * head_dim] go to one plane a key/value head: plane k holds, for each row, its `heads /
// kv_heads` queries side by side, [rows, heads / kv_heads * head_dim]; planes are plane_stride elements apart.
struct RotateQueriesArgs {
  const float* x;       // rows with x_stride
  const float* rotary;  // [positions, head_dim]: a position's head_dim / 2 cosines, then its sines
  CausalRows rows;
  std::size_t x_stride, plane_stride;
  std::size_t heads, kv_heads, head_dim;  // head_dim padded to 32, padding dims zero
  Element element;                        // of the planes
  void* planes;
};

// Keys (rotated) and values to their pages.
struct StoreKeysValuesArgs {
  const float* x;  // rows [rows, 2 * kv_heads * head_dim] with x_stride: keys, then values
  const float* rotary;
  CausalRows rows;
  std::size_t x_stride;
  std::size_t kv_heads, head_dim;
  Element element;  // of the pages
};

// Causal attention: the token at position p sees the tokens 0 .. p, or with a window only the last `window` of them,
// itself included. Weights are softmax(s) with s = scale * q k^T, or softcap * tanh(scale * q k^T / softcap).
struct CausalAttentionArgs {
  const void*
      planes;  // queries as RotateQueriesArgs leaves them; readable up to kRowBlock * head_dim past a plane's end
  CausalRows rows;
  std::size_t plane_stride;
  std::size_t heads, kv_heads, head_dim;
  std::size_t window;    // tokens; 0: no window
  float scale, softcap;  // softcap 0: none
  Element element;       // of planes, pages and out
  void* out;             // tiles [rows, heads * head_dim]
  std::byte* scratch;    // causal_attention_scratch_bytes(longest length, element)
};

// RMSNorm(x) = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019), as tiles or added to another matrix.
struct RmsNormArgs {
  const float* x;       // rows [rows, cols] with `stride`
  const float* weight;  // [cols padded to 32], zeros beyond cols
  std::size_t rows, cols, stride;
  float eps;
  void* tiles;  // [rows, cols] of `tiles_element`; nullptr: add_to instead
  Element tiles_element;
  float* add_to;  // rows with add_stride: add_to += add_scale * RMSNorm(x)
  std::size_t add_stride;
  float add_scale = 1;
  IntegerRow* tiles_rows = nullptr;  // [rows] of u8 tiles
};

// x = LayerNorm(x) = (x - mean) / sqrt(variance + eps) * weight + bias, and the same as tiles of `tiles_element`.
struct LayerNormArgs {
  float* x;             // rows [rows, cols] with `stride`; in and out
  const float* weight;  // [cols padded to 32], zeros beyond cols
  const float* bias;
  void* tiles;
  std::size_t rows, cols, stride;
  float eps;
  Element tiles_element;
  IntegerRow* tiles_rows = nullptr;  // [rows] of u8 tiles
};

struct KernelTable {
  bool native_bf16;  // has bf16 products; without them bf16 weights are widened and inputs stay f32
  void (*linear)(const LinearArgs&);
  void (*attention)(const AttentionArgs&);
  void (*layer_norm)(const LayerNormArgs&);
  void (*rotate_queries)(const RotateQueriesArgs&);
  void (*store_keys_values)(const StoreKeysValuesArgs&);
  void (*causal_attention)(const CausalAttentionArgs&);
  void (*rms_norm)(const RmsNormArgs&);
  // One step of a softmax over columns that come in pieces: largest[r] becomes the largest value of row r so far, and
  // sums[r] the sum of exp(x - largest[r]) so far. Begin with -infinity and 0. Rows are readable up to a multiple of
  // kPanel columns.
  void (*exp_sums)(const float* x, std::size_t rows, std::size_t cols, std::size_t stride, float* largest, float* sums);
  // Tiles [rows, cols] of `element` -> tiles of u8, and what they stand for [rows]: the largest magnitude that is no
  // outlier becomes 127, the others are rounded to nearest even. A row that is not finite has a scale that is not.
  void (*quantize_rows)(const void* tiles, std::size_t rows, std::size_t cols, Element element, void* u8_tiles,
                        IntegerRow* integer_rows);
  // [rows, cols] row-major f32 -> tiles; cols padded with zeros.
  void (*to_tiles)(const float* x, std::size_t rows, std::size_t cols, std::size_t stride, Element element,
                   void* tiles);
};

// Rows of a product that are done against all panels before the next ones: as many as leave their inputs in L2. The
// weights are read from memory once for each such pass.
inline constexpr std::size_t kMostRowsPerPass = 512;
constexpr std::size_t linear_rows_per_pass(std::size_t bytes_per_row) {
  constexpr std::size_t kInputBytes = std::size_t{1} << 20;
  const std::size_t rows = kInputBytes / bytes_per_row / kRowBlock * kRowBlock;
  return rows < 64 ? 64 : rows > kMostRowsPerPass ? kMostRowsPerPass : rows;
}
// Lines of `in` a block of the product walks before it moves on: 16 lines of a panel are 32 KiB, which stay in L1. A
// whole number of groups.
inline constexpr std::size_t kLinesPerPass = 16;

// Partial sums of one panel for the rows of a pass, and one panel slice, widened; or, for integers that are multiplied
// before they are scaled, the sums of the rows' inputs in each group, a smaller slice and what it gives.
inline constexpr std::size_t kMostGroupSums = std::size_t{1} << 14;
constexpr std::size_t linear_scratch_floats() {
  constexpr std::size_t kSlice = kLinesPerPass * (kLineBytes / sizeof(float)) * kPanel;
  constexpr std::size_t kGroupSlice = kGroup * kPanel * sizeof(bf16) / sizeof(float);
  constexpr std::size_t kOfIntegers = kRowBlock * kPanel + kGroupSlice + kMostGroupSums;
  return kMostRowsPerPass * kPanel + (kSlice > kOfIntegers ? kSlice : kOfIntegers);
}
// Keys and values of one head as panels, scores of kRowBlock queries, and their weights as tiles.
constexpr std::size_t attention_scratch_bytes(std::size_t longest, std::size_t head_dim, Element element) {
  const std::size_t keys = round_up(longest, kPanel);
  return 2 * keys * head_dim * size_of(element) + kRowBlock * keys * (sizeof(float) + size_of(element)) +
         4 * kTileBytes;
}

// Scores of kRowBlock queries, and their weights as tiles.
constexpr std::size_t causal_attention_scratch_bytes(std::size_t longest, Element element) {
  return kRowBlock * round_up(longest, kPageTokens) * (sizeof(float) + size_of(element)) + 2 * kTileBytes;
}

// One table a level; nullptr where this build has no code for it.
const KernelTable* scalar_table();
const KernelTable* avx2_table();
const KernelTable* avx512_table();
const KernelTable* avx512_bf16_table();
const KernelTable* amx_table();

}  // namespace rerank::kernels
