#include "models/linear_layers.h"

#include <fmt/format.h>

#include <span>
#include <string_view>

#include "base/try.h"
#include "models/architecture.h"
#include "models/causal_registry.h"
#include "models/encoder_config.h"
#include "models/registry.h"

namespace rerank::models {
namespace {

struct Architecture {
  std::string_view hf_name;
  const ClassifierArchitecture* classifier = nullptr;  // or
  const CausalArchitecture* causal = nullptr;
};

std::vector<LinearLayer> layers_of(const EncoderConfig& c, std::string_view encoder) {
  std::vector<LinearLayer> layers;
  for (std::size_t i = 0; i < c.layers; ++i) {
    const auto add = [&](std::string_view name, std::size_t out, std::size_t in, bool padded_inputs = false) {
      layers.push_back({fmt::format("{}.encoder.layer.{}.{}", encoder, i, name), out, in, padded_inputs});
    };
    for (const char* name : {"attention.self.query", "attention.self.key", "attention.self.value"})
      add(name, c.hidden, c.hidden);
    add("attention.output.dense", c.hidden, c.hidden, c.head_dim() != c.padded_head_dim());
    add("intermediate.dense", c.ffn, c.hidden);
    add("output.dense", c.hidden, c.ffn);
  }
  return layers;
}

std::vector<LinearLayer> layers_of(const DecoderConfig& c) {
  std::vector<LinearLayer> layers;
  const std::size_t query = c.heads * c.head_dim, key_value = c.kv_heads * c.head_dim;
  for (std::size_t i = 0; i < c.layers; ++i) {
    const auto add = [&](std::string_view name, std::size_t out, std::size_t in, bool padded_inputs = false) {
      layers.push_back({fmt::format("model.layers.{}.{}", i, name), out, in, padded_inputs});
    };
    add("self_attn.q_proj", query, c.hidden);
    add("self_attn.k_proj", key_value, c.hidden);
    add("self_attn.v_proj", key_value, c.hidden);
    add("self_attn.o_proj", c.hidden, query, c.head_dim != c.padded_head_dim());
    add("mlp.gate_proj", c.ffn, c.hidden);
    add("mlp.up_proj", c.ffn, c.hidden);
    add("mlp.down_proj", c.hidden, c.ffn);
  }
  return layers;
}

}  // namespace

Result<LinearLayerList> linear_layers(const io::Json& config) {
  std::vector<Architecture> rows;
  for (const ClassifierArchitecture& row : classifier_architectures()) rows.push_back({row.hf_name, &row, nullptr});
  for (const CausalArchitecture& row : causal_architectures()) rows.push_back({row.hf_name, nullptr, &row});
  RERANK_ASSIGN(const Architecture* found, find_architecture(config, std::span<const Architecture>(rows)));
  LinearLayerList result{std::string(found->hf_name), {}, {}};
  if (found->classifier != nullptr) {
    RERANK_ASSIGN(const EncoderConfig encoder, read_encoder_config(config));
    result.layers = layers_of(encoder, found->classifier->encoder);
  } else {
    RERANK_ASSIGN(const DecoderConfig decoder, found->causal->read(config));
    result.layers = layers_of(decoder);
    result.vocabulary = VocabularyLayer{decoder.tied_embeddings ? "model.embed_tokens.weight" : "lm_head.weight",
                                        decoder.vocabulary, decoder.hidden, decoder.tied_embeddings};
  }
  return result;
}

}  // namespace rerank::models
