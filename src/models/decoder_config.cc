#include "models/decoder_config.h"

#include <fmt/format.h>

#include <cmath>

#include "base/try.h"
#include "models/config_values.h"

namespace rerank::models {
namespace {

using kernels::Activation;

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
// Gemma's "gelu" is the tanh form as well: transformers' GemmaMLP.
constexpr NamedActivation kActivations[] = {{"silu", Activation::kSiluGate},
                                            {"gelu", Activation::kGeluTanhGate},
                                            {"gelu_pytorch_tanh", Activation::kGeluTanhGate}};

Result<Activation> read_gate(const io::Json& config) {
  // "hidden_activation" is Gemma's newer name for it and wins where both stand.
  const bool newer = config.find("hidden_activation").has_value();
  RERANK_ASSIGN(const io::Json value, config.get(newer ? "hidden_activation" : "hidden_act"));
  RERANK_ASSIGN(const std::string_view name, value.string());
  std::string supported;
  for (const NamedActivation& known : kActivations) {
    if (known.name == name) return known.activation;
    supported += fmt::format("{}\"{}\"", supported.empty() ? "" : ", ", known.name);
  }
  return value.error(Error::Code::kUnsupported, fmt::format("is \"{}\", expected one of {}", name, supported));
}

}  // namespace

Result<DecoderConfig> read_decoder_config(const io::Json& config, const DecoderDefaults& defaults) {
  DecoderConfig c;
  RERANK_ASSIGN(c.hidden, read_size(config, "hidden_size", kWidest));
  RERANK_ASSIGN(c.layers, read_size(config, "num_hidden_layers", kMostLayers));
  RERANK_ASSIGN(c.heads, read_size(config, "num_attention_heads", kMostHeads));
  RERANK_ASSIGN(c.kv_heads, read_size_or(config, "num_key_value_heads", kMostHeads, c.heads));
  RERANK_ASSIGN(c.ffn, read_size(config, "intermediate_size", kWidest));
  RERANK_ASSIGN(c.vocabulary, read_size(config, "vocab_size", kMostRows));
  RERANK_ASSIGN(c.positions, read_size(config, "max_position_embeddings", kMostRows));
  if (c.heads % c.kv_heads != 0)
    return config.error(
        Error::Code::kCorrupt,
        fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}", c.heads, c.kv_heads));
  const std::size_t head_dim = defaults.head_dim > 0 ? defaults.head_dim : c.hidden / c.heads;
  RERANK_ASSIGN(c.head_dim, read_size_or(config, "head_dim", 256, head_dim));
  if (c.head_dim == 0 || c.head_dim > 256 || c.head_dim % 2 != 0)
    return config.error(Error::Code::kUnsupported,
                        fmt::format("heads of {} dimensions, expected an even number of at most 256", c.head_dim));
  RERANK_ASSIGN(c.norm_eps, read_number(config, "rms_norm_eps", 0));
  RERANK_ASSIGN(c.gate, read_gate(config));
  RERANK_ASSIGN(c.rotary, read_rotary_config(config));
  RERANK_ASSIGN(c.tied_embeddings, config.boolean_or("tie_word_embeddings", defaults.tied_embeddings));
  RERANK_ASSIGN(const bool attention_bias, config.boolean_or("attention_bias", false));
  c.query_key_value_bias = c.attention_output_bias = attention_bias;
  RERANK_ASSIGN(const bool mlp_bias, config.boolean_or("mlp_bias", false));
  if (mlp_bias) return config.error(Error::Code::kUnsupported, "mlp_bias is true, expected false");
  c.attention_scale = static_cast<float>(1 / std::sqrt(static_cast<double>(c.head_dim)));
  c.windows.assign(c.layers, 0);
  return c;
}

}  // namespace rerank::models
