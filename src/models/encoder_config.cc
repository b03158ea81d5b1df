#include "models/encoder_config.h"

#include <fmt/format.h>

#include "base/try.h"

namespace rerank::models {
namespace {

using kernels::Activation;

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu}, {"relu", Activation::kRelu}};

// No published encoder comes near these; a file that does is broken or hostile.
constexpr std::int64_t kMostLayers = 1 << 10, kWidest = 1 << 18, kMostRows = 1 << 26;

Status read_size(const io::Json& config, std::string_view key, std::int64_t most, std::size_t& size) {
  RERANK_ASSIGN(const io::Json value, config.get(key));
  RERANK_ASSIGN(const std::int64_t number, value.integer());
  if (number < 1 || number > most)
    return value.error(Error::Code::kCorrupt, fmt::format("is {}, expected 1 to {}", number, most));
  size = static_cast<std::size_t>(number);
  return {};
}

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
    RERANK_TRY(read_size(config, where, kMostRows, labels));
  }
  if (labels == 1) return {};
  return config.error(Error::Code::kUnsupported, fmt::format("{} gives {} labels, expected 1", where, labels),
                      "a reranker has one label; this checkpoint is a classifier, or its head was never trained");
}

}  // namespace

Result<EncoderConfig> read_encoder_config(const io::Json& config) {
  EncoderConfig c;
  RERANK_TRY(read_size(config, "hidden_size", kWidest, c.hidden));
  RERANK_TRY(read_size(config, "num_hidden_layers", kMostLayers, c.layers));
  RERANK_TRY(read_size(config, "num_attention_heads", kWidest, c.heads));
  RERANK_TRY(read_size(config, "intermediate_size", kWidest, c.ffn));
  RERANK_TRY(read_size(config, "vocab_size", kMostRows, c.vocabulary));
  RERANK_TRY(read_size(config, "max_position_embeddings", kMostRows, c.positions));
  RERANK_TRY(read_size(config, "type_vocab_size", kMostRows, c.token_types));
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
