#include "models/encoder_config.h"

#include <fmt/format.h>

#include "base/try.h"
#include "models/config_values.h"

namespace rerank::models {
namespace {

using kernels::Activation;

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu}, {"relu", Activation::kRelu}};

Result<Activation> read_activation(const io::Json& config) {
  RERANK_ASSIGN(const io::Json value, config.get("hidden_act"));
  RERANK_ASSIGN(const std::string_view name, value.string());
  std::string supported;
  for (const NamedActivation& known : kActivations) {
    if (known.name == name) return known.activation;
    supported += fmt::format("{}\"{}\"", supported.empty() ? "" : ", ", known.name);
  }
  return value.error(Error::Code::kUnsupported, fmt::format("is \"{}\", expected one of {}", name, supported));
}

// transformers writes id2label, older files num_labels; without either its default is 2.
Status check_one_label(const io::Json& config) {
  std::size_t labels = 2;
  std::string where = "id2label";
  if (const auto id2label = config.find("id2label")) {
    RERANK_ASSIGN(const auto object, id2label->object());
    labels = object.size();
  } else if (config.find("num_labels")) {
    where = "num_labels";
    RERANK_ASSIGN(labels, read_size(config, where, kMostRows));
  }
  if (labels == 1) return {};
  return config.error(Error::Code::kUnsupported, fmt::format("{} gives {} labels, expected 1", where, labels),
                      "a reranker has one label; this checkpoint is a classifier, or its head was never trained");
}

}  // namespace

Result<EncoderConfig> read_encoder_config(const io::Json& config) {
  EncoderConfig c;
  RERANK_ASSIGN(c.hidden, read_size(config, "hidden_size", kWidest));
  RERANK_ASSIGN(c.layers, read_size(config, "num_hidden_layers", kMostLayers));
  RERANK_ASSIGN(c.heads, read_size(config, "num_attention_heads", kWidest));
  RERANK_ASSIGN(c.ffn, read_size(config, "intermediate_size", kWidest));
  RERANK_ASSIGN(c.vocabulary, read_size(config, "vocab_size", kMostRows));
  RERANK_ASSIGN(c.positions, read_size(config, "max_position_embeddings", kMostRows));
  RERANK_ASSIGN(c.token_types, read_size(config, "type_vocab_size", kMostRows));
  if (c.hidden % c.heads != 0)
    return config.error(Error::Code::kCorrupt,
                        fmt::format("hidden_size {} is no multiple of num_attention_heads {}", c.hidden, c.heads));
  RERANK_ASSIGN(const io::Json eps, config.get("layer_norm_eps"));
  RERANK_ASSIGN(const double eps_value, eps.number());
  if (!(eps_value > 0 && eps_value < 1))
    return eps.error(Error::Code::kCorrupt, fmt::format("is {}, expected a small positive number", eps_value));
  c.layer_norm_eps = static_cast<float>(eps_value);
  RERANK_ASSIGN(c.activation, read_activation(config));
  RERANK_ASSIGN(const std::string positions, config.string_or("position_embedding_type", "absolute"));
  if (positions != "absolute")
    return config.error(Error::Code::kUnsupported,
                        fmt::format("position_embedding_type is \"{}\", expected \"absolute\"", positions));
  RERANK_ASSIGN(const std::int64_t pad, config.integer_or("pad_token_id", 0));
  if (pad < 0 || pad >= static_cast<std::int64_t>(c.vocabulary))
    return config.error(Error::Code::kCorrupt, fmt::format("pad_token_id {} is outside the vocabulary", pad));
  c.pad_token_id = static_cast<std::int32_t>(pad);
  RERANK_TRY(check_one_label(config));
  return c;
}

}  // namespace rerank::models
