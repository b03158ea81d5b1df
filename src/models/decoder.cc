#include "models/decoder.h"

#include <fmt/format.h>

#include "base/try.h"
#include "models/decoder_flops.h"

namespace rerank::models {

Result<DecoderLayer> DecoderLayer::load(const io::WeightScope& scope, const DecoderConfig& config,
                                        const LoadOptions& options) {
  const auto layout = [&](std::size_t heads, bool halves) {
    return HeadLayout{heads, config.head_dim, config.padded_head_dim(), halves};
  };
  const Bias qkv_bias = config.query_key_value_bias ? Bias::kRequired : Bias::kNone;
  const Bias output_bias = config.attention_output_bias ? Bias::kRequired : Bias::kNone;
  const auto norm = [&](std::string_view name) {
    return load_rms_norm(scope, name, config.hidden, config.norm_offset, config.norm_eps, options);
  };
  const io::WeightScope attention = scope.scope("self_attn"), mlp = scope.scope("mlp");
  DecoderLayer layer;
  RERANK_ASSIGN(layer.attention_norm, norm("input_layernorm"));
  RERANK_ASSIGN(auto query, load_projections(attention, {{"q_proj", layout(config.heads, true)}}, config.hidden,
                                             qkv_bias, options));
  RERANK_ASSIGN(auto key_value,
                load_projections(
                    attention, {{"k_proj", layout(config.kv_heads, true)}, {"v_proj", layout(config.kv_heads, false)}},
                    config.hidden, qkv_bias, options));
  RERANK_ASSIGN(auto output, load_head_output(attention, "o_proj", config.hidden, layout(config.heads, false),
                                              output_bias, options));
  RERANK_ASSIGN(auto gate_up, load_gate_up(mlp, "gate_proj", "up_proj", config.ffn, config.hidden, options));
  RERANK_ASSIGN(auto down, load_linear(mlp, "down_proj", config.hidden, config.ffn, Bias::kNone, options));
  if (config.sandwich_norms) {
    RERANK_ASSIGN(layer.after_attention_norm, norm("post_attention_layernorm"));
    RERANK_ASSIGN(layer.ffn_norm, norm("pre_feedforward_layernorm"));
    RERANK_ASSIGN(layer.after_ffn_norm, norm("post_feedforward_layernorm"));
  } else {
    RERANK_ASSIGN(layer.ffn_norm, norm("post_attention_layernorm"));
  }
  layer.query = kernels::Weight<HeadColumns, Hidden>(std::move(query));
  layer.key_value = kernels::Weight<HeadColumns, Hidden>(std::move(key_value));
  layer.attention_output = kernels::Weight<Hidden, HeadColumns>(std::move(output));
  layer.gate_up = kernels::Weight<GateUp, Hidden>(std::move(gate_up));
  layer.down = kernels::Weight<Hidden, Ffn>(std::move(down));
  return layer;
}

std::size_t DecoderLayer::packed_bytes() const {
  return query.bytes() + key_value.bytes() + attention_output.bytes() + gate_up.bytes() + down.bytes();
}

void CausalBatch::add(std::span<const std::int32_t> ids, const CausalSequence& sequence) {
  token_ids.insert(token_ids.end(), ids.begin(), ids.end());
  cu_seqlens.push_back(static_cast<std::uint32_t>(token_ids.size()));
  sequences.push_back(sequence);
}

Decoder::Decoder(DecoderConfig config, kernels::Ops ops)
    : config_(std::move(config)),
      ops_(ops),
      rotary_(std::make_unique<const RotaryTable>(config_.rotary, config_.head_dim, config_.padded_head_dim())) {}

Result<Decoder> Decoder::load(const io::WeightScope& scope, const DecoderConfig& config, std::size_t layers,
                              const kernels::Ops& ops, const LoadOptions& options) {
  Decoder decoder(config, ops);
  RERANK_ASSIGN(decoder.embeddings_,
                load_matrix(scope, "embed_tokens.weight", {config.vocabulary, config.hidden}, options));
  RERANK_ASSIGN(decoder.final_norm_,
                load_rms_norm(scope, "norm", config.hidden, config.norm_offset, config.norm_eps, options));
  for (std::size_t i = 0; i < layers; ++i) {
    const io::WeightScope layer_scope = scope.scope("layers").scope(fmt::format("{}", i));
    RERANK_ASSIGN(DecoderLayer layer, DecoderLayer::load(layer_scope, config, options));
    decoder.layers_.push_back(std::move(layer));
  }
  return decoder;
}

void Decoder::use_embeddings(std::shared_ptr<const kernels::PackedWeight> table) {
  packed_embeddings_ = std::move(table);
  io::release(embeddings_);
}

std::size_t Decoder::packed_bytes() const {
  std::size_t bytes = 0;
  for (const DecoderLayer& layer : layers_) bytes += layer.packed_bytes();
  return bytes;
}

std::size_t Decoder::kv_page_bytes() const {
  return kernels::kv_page_bytes(config_.kv_heads, config_.padded_head_dim(), ops_.activations());
}

double Decoder::flops_of_sequence(std::size_t tokens) const {
  double flops = 0;
  for (const std::size_t window : config_.windows)
    flops += decoder_layer_flops(config_, tokens, tokens) + decoder_attention_flops(config_, 0, tokens, window);
  return flops;
}

}  // namespace rerank::models
