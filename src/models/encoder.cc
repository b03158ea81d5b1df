#include "models/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/try.h"

namespace rerank::models {

using kernels::Acts;
using kernels::Carver;
using kernels::Heads;
using kernels::Tiles;

Result<EncoderLayer> EncoderLayer::load(const io::WeightScope& scope, const EncoderConfig& config,
                                        const LoadOptions& options) {
  const HeadLayout heads{config.heads, config.head_dim(), config.padded_head_dim()};
  const io::WeightScope attention = scope.scope("attention");
  EncoderLayer layer;
  RERANK_ASSIGN(auto query,
                load_projections(attention.scope("self"), {{"query", heads}}, config.hidden, Bias::kRequired, options));
  RERANK_ASSIGN(auto key_value, load_projections(attention.scope("self"), {{"key", heads}, {"value", heads}},
                                                 config.hidden, Bias::kRequired, options));
  RERANK_ASSIGN(auto output,
                load_head_output(attention.scope("output"), "dense", config.hidden, heads, Bias::kRequired, options));
  RERANK_ASSIGN(auto up,
                load_linear(scope.scope("intermediate"), "dense", config.ffn, config.hidden, Bias::kRequired, options));
  RERANK_ASSIGN(auto down,
                load_linear(scope.scope("output"), "dense", config.hidden, config.ffn, Bias::kRequired, options));
  RERANK_ASSIGN(layer.attention_norm,
                load_layer_norm(attention.scope("output"), "LayerNorm", config.hidden, config.layer_norm_eps));
  RERANK_ASSIGN(layer.ffn_norm,
                load_layer_norm(scope.scope("output"), "LayerNorm", config.hidden, config.layer_norm_eps));
  layer.query = kernels::Weight<HeadColumns, Hidden>(std::move(query));
  layer.key_value = kernels::Weight<HeadColumns, Hidden>(std::move(key_value));
  layer.attention_output = kernels::Weight<Hidden, HeadColumns>(std::move(output));
  layer.up = kernels::Weight<Ffn, Hidden>(std::move(up));
  layer.down = kernels::Weight<Hidden, Ffn>(std::move(down));
  return layer;
}

Result<EncoderEmbeddings> EncoderEmbeddings::load(const io::WeightScope& scope, const EncoderConfig& config) {
  EncoderEmbeddings e;
  RERANK_ASSIGN(e.words, scope.tensor("word_embeddings.weight", {config.vocabulary, config.hidden}));
  RERANK_ASSIGN(e.positions, scope.tensor("position_embeddings.weight", {config.positions, config.hidden}));
  RERANK_ASSIGN(e.token_types, scope.tensor("token_type_embeddings.weight", {config.token_types, config.hidden}));
  RERANK_ASSIGN(e.norm, load_layer_norm(scope, "LayerNorm", config.hidden, config.layer_norm_eps));
  return e;
}

Result<Encoder> Encoder::load(const io::WeightScope& scope, const EncoderConfig& config, const kernels::Ops& ops,
                              const LoadOptions& options) {
  Encoder encoder(config, ops);
  RERANK_ASSIGN(encoder.embeddings_, EncoderEmbeddings::load(scope.scope("embeddings"), config));
  for (std::size_t i = 0; i < config.layers; ++i) {
    const io::WeightScope layer_scope = scope.scope("encoder").scope(fmt::format("layer.{}", i));
    RERANK_ASSIGN(EncoderLayer layer, EncoderLayer::load(layer_scope, config, options));
    encoder.layers_.push_back(std::move(layer));
  }
  return encoder;
}

std::size_t Encoder::packed_bytes() const {
  std::size_t bytes = 0;
  for (const EncoderLayer& l : layers_)
    bytes += l.query.bytes() + l.key_value.bytes() + l.attention_output.bytes() + l.up.bytes() + l.down.bytes();
  return bytes;
}

// All scratch of a forward pass. Carved with no memory behind it, it tells how much is needed.
struct Encoder::Buffers {
  Buffers(Carver& carver, const Encoder& encoder, const RaggedBatch& batch, Team* team)
      : Buffers(carver, encoder, encoder.ops_.on(team), batch.tokens(), batch.pairs(), batch.longest()) {}

  Acts<Hidden> x;       // [tokens, hidden]: the residual stream
  Tiles<Hidden> tiles;  // the same as the next product's left side
  Heads qkv;            // [tokens, 3 * width]
  Tiles<HeadColumns> context;
  Tiles<Ffn> ffn;
  kernels::Integers integers;  // context or ffn, with integer layers
  Acts<Hidden> first_x;        // [pairs, hidden]: the first token of each pair
  Tiles<Hidden> first_tiles;
  Heads first_query;                    // [pairs, width]
  std::size_t attention_scratch_bytes;  // of one member of the team
  std::byte* attention_scratch;         // of each of them, one after the other
  float* linear_scratch;                // likewise
  kernels::Ops ops;                     // the encoder's, done by the team

 private:
  Buffers(Carver& carver, const Encoder& encoder, const kernels::Ops& team_ops, std::size_t tokens, std::size_t pairs,
          std::size_t longest)
      : x(kernels::carve_acts<Hidden>(carver, tokens, encoder.config_.hidden)),
        tiles(kernels::carve_tiles<Hidden>(carver, tokens, encoder.config_.hidden, encoder.ops_.layer_inputs())),
        qkv(kernels::carve_heads(carver, tokens, 3 * encoder.config_.padded_width(), element(encoder))),
        context(kernels::carve_tiles<HeadColumns>(carver, tokens, encoder.config_.padded_width(), element(encoder))),
        ffn(kernels::carve_tiles<Ffn>(carver, tokens, encoder.config_.ffn, element(encoder))),
        integers(
            encoder.ops_.integer_layers()
                ? kernels::carve_integers(carver, tokens, std::max(encoder.config_.padded_width(), encoder.config_.ffn))
                : kernels::Integers{}),
        first_x(kernels::carve_acts<Hidden>(carver, pairs, encoder.config_.hidden)),
        first_tiles(kernels::carve_tiles<Hidden>(carver, pairs, encoder.config_.hidden, encoder.ops_.layer_inputs())),
        first_query(kernels::carve_heads(carver, pairs, encoder.config_.padded_width(), element(encoder))),
        attention_scratch_bytes(kernels::round_up(
            kernels::attention_scratch_bytes(longest, encoder.config_.padded_head_dim(), element(encoder)),
            kernels::kTileBytes)),
        attention_scratch(carver.take<std::byte>(team_ops.members() * attention_scratch_bytes)),
        linear_scratch(carver.take<float>(team_ops.members() * kernels::linear_scratch_floats())),
        ops(team_ops) {}

  static kernels::Element element(const Encoder& encoder) { return encoder.ops_.activations(); }
};

namespace {

template <class Cols>
Tiles<Cols> first_rows(Tiles<Cols> tiles, std::size_t rows) {
  tiles.rows = rows;
  return tiles;
}

void gather_first_rows(const Acts<Hidden>& x, const RaggedBatch& batch, const Acts<Hidden>& out) {
  for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx)
    std::copy_n(x.row(batch.cu_seqlens[pair_idx]).data(), x.stride, out.row(pair_idx).data());
}
void gather_first_rows(const Tiles<Hidden>& x, const RaggedBatch& batch, const Tiles<Hidden>& out) {
  for (std::size_t pair_idx = 0; pair_idx < batch.pairs(); ++pair_idx)
    kernels::copy_tiles_row(x, batch.cu_seqlens[pair_idx], out, pair_idx);
}

}  // namespace

Status Encoder::check(const RaggedBatch& batch) const {
  const auto outside = [](std::int32_t id, std::size_t size) { return id < 0 || static_cast<std::size_t>(id) >= size; };
  for (std::size_t token_idx = 0; token_idx < batch.tokens(); ++token_idx) {
    if (outside(batch.token_ids[token_idx], config_.vocabulary))
      return Error{Error::Code::kBadInput,
                   fmt::format("token id {} is outside the model's vocabulary of {}", batch.token_ids[token_idx],
                               config_.vocabulary),
                   "", "tokenizer.json and config.json must come from the same checkpoint"};
    if (outside(batch.type_ids[token_idx], config_.token_types))
      return Error{Error::Code::kBadInput,
                   fmt::format("token type {} is outside the model's table of {}", batch.type_ids[token_idx],
                               config_.token_types),
                   "", "tokenizer.json and config.json must come from the same checkpoint"};
  }
  return {};
}

void Encoder::embed(const RaggedBatch& batch, std::span<const std::int32_t> position_ids, const Buffers& b) const {
  const std::size_t hidden = config_.hidden;
  std::vector<float> row(hidden);
  const auto add = [&](const io::Tensor& table, std::int32_t index, float* x) {
    io::convert_to_f32(table, static_cast<std::size_t>(index) * hidden, row);
    for (std::size_t i = 0; i < hidden; ++i) x[i] += row[i];
  };
  for (std::size_t token_idx = 0; token_idx < batch.tokens(); ++token_idx) {
    float* x = b.x.row(token_idx).data();
    std::fill_n(x, b.x.stride, 0.0f);
    // The reference's order of the two sums, so that f32 agrees to the last bit.
    add(embeddings_.words, batch.token_ids[token_idx], x);
    add(embeddings_.token_types, batch.type_ids[token_idx], x);
    add(embeddings_.positions, position_ids[token_idx], x);
  }
  b.ops.layer_norm(b.x, embeddings_.norm, b.tiles);
}

void Encoder::finish_layer(const EncoderLayer& layer, const Acts<Hidden>& x, const Tiles<Hidden>& tiles,
                           const Tiles<HeadColumns>& context, const Tiles<Ffn>& ffn, const Buffers& b) const {
  float* const scratch = b.linear_scratch;
  b.ops.linear_add(b.ops.layer_input(context, b.integers), layer.attention_output, x, scratch);
  b.ops.layer_norm(x, layer.attention_norm, tiles);  // x = LayerNorm(x + attention)
  b.ops.linear(tiles, layer.up, config_.activation, ffn, scratch);
  b.ops.linear_add(b.ops.layer_input(ffn, b.integers), layer.down, x, scratch);
  b.ops.layer_norm(x, layer.ffn_norm, tiles);  // x = LayerNorm(x + ffn)
}

void Encoder::attend(const kernels::Heads& query, std::size_t query_rows, const RaggedBatch& batch,
                     const Buffers& b) const {
  const std::size_t width = config_.padded_width();
  b.ops.attention({.q = query.data,
                   .k = b.qkv.from(width).data,
                   .v = b.qkv.from(2 * width).data,
                   .q_stride = query.stride,
                   .kv_stride = b.qkv.stride,
                   .cu_seqlens = batch.cu_seqlens.data(),
                   .sequences = batch.pairs(),
                   .heads = config_.heads,
                   .head_dim = config_.padded_head_dim(),
                   .query_rows = query_rows,
                   .scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim())),
                   .element = b.qkv.element,
                   .out = b.context.data,
                   .scratch = b.attention_scratch},
                  b.attention_scratch_bytes);
}

void Encoder::run_layer(const EncoderLayer& layer, const RaggedBatch& batch, const Buffers& b) const {
  b.ops.project(b.tiles, layer.query, b.qkv, b.linear_scratch);
  b.ops.project(b.tiles, layer.key_value, b.qkv.from(config_.padded_width()), b.linear_scratch);
  attend(b.qkv, 0, batch, b);
  finish_layer(layer, b.x, b.tiles, b.context, b.ffn, b);
}

void Encoder::run_last_layer(const EncoderLayer& layer, const RaggedBatch& batch, const Buffers& b) const {
  gather_first_rows(b.x, batch, b.first_x);
  gather_first_rows(b.tiles, batch, b.first_tiles);
  b.ops.project(b.first_tiles, layer.query, b.first_query, b.linear_scratch);
  b.ops.project(b.tiles, layer.key_value, b.qkv.from(config_.padded_width()), b.linear_scratch);
  attend(b.first_query, 1, batch, b);
  finish_layer(layer, b.first_x, b.first_tiles, first_rows(b.context, batch.pairs()), first_rows(b.ffn, batch.pairs()),
               b);
}

Result<Encoder::Output> Encoder::forward(const RaggedBatch& batch, std::span<const std::int32_t> position_ids,
                                         kernels::Workspace& workspace, std::size_t head_bytes, Trace* trace,
                                         Team* team) const {
  RERANK_TRY(check(batch));
  const auto carve = [&](Carver& carver) { return Buffers(carver, *this, batch, team); };
  Carver measure(nullptr);
  carve(measure);
  RERANK_TRY(workspace.reserve(measure.used() + head_bytes));
  Carver carver = workspace.carve();
  const Buffers b = carve(carver);

  embed(batch, position_ids, b);
  record(trace, "embeddings", b.x, config_.hidden);
  const std::size_t whole_layers = trace == nullptr ? layers_.size() - 1 : layers_.size();
  for (std::size_t i = 0; i < whole_layers; ++i) {
    run_layer(layers_[i], batch, b);
    record(trace, fmt::format("layer.{}", i), b.x, config_.hidden);
  }
  if (trace == nullptr) {
    run_last_layer(layers_.back(), batch, b);
  } else {
    gather_first_rows(b.x, batch, b.first_x);
  }
  return Output{b.first_x, b.linear_scratch, carver};
}

}  // namespace rerank::models
