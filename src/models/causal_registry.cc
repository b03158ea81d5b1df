#include "models/causal_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/try.h"
#include "models/architecture.h"

namespace rerank::models {
namespace {

constexpr CausalArchitecture kArchitectures[] = {
    {"GemmaForCausalLM", &read_gemma},          {"Gemma2ForCausalLM", &read_gemma2},
    {"CostWiseGemmaForCausalLM", &read_gemma2}, {"LayerWiseMiniCPMForCausalLM", &read_minicpm},
    {"MiniCPMForCausalLM", &read_minicpm},      {"Qwen2ForCausalLM", &read_qwen2},
    {"LlamaForCausalLM", &read_llama},          {"MistralForCausalLM", &read_mistral},
};

// "model.layers.17.mlp.down_proj.weight" -> 17.
std::optional<std::size_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::size_t layer = 0;
  if (std::from_chars(name.data(), name.data() + name.size(), layer).ec != std::errc()) return std::nullopt;
  return layer;
}

// The first layer with a head at or above `wanted`.
std::size_t layers_to_load(std::size_t wanted, const CutoffRange& heads) {
  if (wanted == 0 || wanted >= heads.last) return heads.last;
  if (wanted <= heads.first) return heads.first;
  return heads.first + (wanted - heads.first + heads.step - 1) / heads.step * heads.step;
}

Sizes sizes_of(const DecoderConfig& c, const LoadedDecoder& loaded) {
  Sizes s;
  s.layers = static_cast<int>(c.layers);
  s.loaded_layers = static_cast<int>(loaded.decoder->layers());
  s.hidden = static_cast<int>(c.hidden);
  s.heads = static_cast<int>(c.heads);
  s.kv_heads = static_cast<int>(c.kv_heads);
  s.ffn = static_cast<int>(c.ffn);
  s.vocabulary = static_cast<int>(c.vocabulary);
  s.max_positions = static_cast<int>(c.positions);
  const std::size_t query = c.heads * c.head_dim, key_value = 2 * c.kv_heads * c.head_dim;
  const std::size_t biases =
      (c.query_key_value_bias ? query + key_value : 0) + (c.attention_output_bias ? c.hidden : 0);
  const std::size_t norms = (c.sandwich_norms ? 4 : 2) * c.hidden;
  s.parameters = c.layers * ((2 * query + key_value + 3 * c.ffn) * c.hidden + biases + norms) + c.hidden +
                 c.vocabulary * c.hidden * (c.tied_embeddings ? 1 : 2);
  s.packed_bytes = loaded.decoder->packed_bytes() + (loaded.heads ? loaded.heads->packed_bytes() : 0) +
                   (loaded.vocabulary ? loaded.vocabulary->packed_bytes() : 0);
  return s;
}

// The answer's row of the vocabulary, or all of it.
template <class Matrix>
Status read_vocabulary(const Matrix& matrix, const DecoderConfig& config, const CausalLoadOptions& options,
                       const LoadOptions& load_options, LoadedDecoder& loaded) {
  if (options.reads == Reads::kAnswer) {
    RERANK_ASSIGN(const std::int32_t answer, options.answer());
    RERANK_TRY(check_has_row("the answer", answer, config.vocabulary));
    RERANK_ASSIGN(loaded.heads, LayerHeads::load_answer(matrix, answer, config, load_options));
  } else {
    RERANK_ASSIGN(loaded.vocabulary, Vocabulary::load(matrix, config, load_options));
  }
  return {};
}

// Integers, beside the embedding table or the head's floats, or in place of those.
Status load_integer_vocabulary(const io::WeightScope& head, Quantization quantization, const DecoderConfig& config,
                               const CausalLoadOptions& options, const LoadOptions& load_options,
                               const Decoder& decoder, LoadedDecoder& loaded) {
  RERANK_ASSIGN(const QuantizedMatrix matrix,
                QuantizedMatrix::open(head, quantization, config.vocabulary, config.hidden));
  const std::string weight = config.tied_embeddings ? std::string(decoder.embeddings().name) : head.path() + ".weight";
  // A table that is replaced leaves the vocabulary what it was, as below.
  const bool stays = config.tied_embeddings && options.adapter != nullptr && options.adapter->replaces(weight);
  if (options.adapter != nullptr && options.adapter->touches(weight) && !stays)
    return Error{Error::Code::kUnsupported, "the adapter changes a quantized vocabulary", matrix.qweight.where(),
                 "use the adapter with the checkpoint that was not quantized"};
  return read_vocabulary(matrix, config, options, load_options, loaded);
}

// Floats, which may be those of the embedding table.
Status load_vocabulary(const io::WeightScope& weights, const DecoderConfig& config, const CausalLoadOptions& options,
                       LoadOptions load_options, Decoder& decoder, LoadedDecoder& loaded) {
  io::Tensor vocabulary = decoder.embeddings();
  bool one_matrix = config.tied_embeddings;
  if (!config.tied_embeddings) {
    RERANK_ASSIGN(vocabulary, load_matrix(weights, "lm_head.weight", {config.vocabulary, config.hidden}, load_options));
  } else if (options.adapter != nullptr && options.adapter->replaces(vocabulary.name)) {
    load_options.adapter = nullptr;  // the reference replaces the embeddings and leaves the vocabulary what it was
    one_matrix = false;
  }
  RERANK_TRY(read_vocabulary(vocabulary, config, options, load_options, loaded));
  if (one_matrix && loaded.vocabulary) decoder.use_embeddings(loaded.vocabulary->weight());
  return {};
}

}  // namespace

std::span<const CausalArchitecture> causal_architectures() {
  return kArchitectures;
}

Status check_has_row(std::string_view what, std::int32_t token, std::size_t vocabulary) {
  if (token >= 0 && static_cast<std::size_t>(token) < vocabulary) return {};
  return Error{Error::Code::kCorrupt,
               fmt::format("{} is token {}, outside the vocabulary of {}", what, token, vocabulary), "tokenizer.json",
               "use the tokenizer that belongs to the model"};
}

Result<LoadedDecoder> load_decoder(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                   const CausalLoadOptions& options) {
  RERANK_ASSIGN(const CausalArchitecture* architecture, find_architecture(checkpoint.config(), causal_architectures()));
  RERANK_ASSIGN(const DecoderConfig config, architecture->read(checkpoint.config()));
  const io::WeightScope weights = checkpoint.weights();
  RERANK_ASSIGN(const Quantization quantization, read_quantization(checkpoint.config()));
  RERANK_ASSIGN(const Quantization vocabulary, read_vocabulary_quantization(checkpoint.config()));
  const LoadOptions load_options{ops.weights(), options.threads,      options.adapter,
                                 quantization,  ops.integer_layers(), options.cache};
  LoadedDecoder loaded;
  loaded.architecture = architecture->hf_name;
  loaded.cutoffs = {config.layers, config.layers, 1};
  if (options.reads == Reads::kLayerHeads) {
    RERANK_ASSIGN(const CutoffRange range, read_cutoff_range(checkpoint.config(), config));
    RERANK_ASSIGN(loaded.heads, LayerHeads::load(weights, range, config, load_options));
    loaded.cutoffs = range;
    loaded.cutoffs.last = layers_to_load(options.last_layer, range);
  }
  RERANK_ASSIGN(Decoder decoder, Decoder::load(weights.scope("model"), config, loaded.cutoffs.last, ops, load_options));
  if (options.reads != Reads::kLayerHeads && vocabulary != Quantization::kNone) {
    RERANK_TRY(
        load_integer_vocabulary(weights.scope("lm_head"), vocabulary, config, options, load_options, decoder, loaded));
  } else if (options.reads != Reads::kLayerHeads) {
    RERANK_TRY(load_vocabulary(weights, config, options, load_options, decoder, loaded));
  }
  if (options.adapter != nullptr && options.adapter->touches(decoder.embeddings().name)) {
    RERANK_ASSIGN(auto table, Vocabulary::load(decoder.embeddings(), config, load_options));
    decoder.use_embeddings(table.weight());
  }
  loaded.decoder = std::make_unique<const Decoder>(std::move(decoder));
  // Layers above the last cutoff stay in the file; a vocabulary that is tied, or integers, is sometimes saved a second
  // time; old versions of transformers saved the rotary frequencies.
  RERANK_TRY(checkpoint.all_read([&](std::string_view name) {
    const auto layer = layer_of(name);
    return (layer >= loaded.cutoffs.last && layer < config.layers) ||
           ((config.tied_embeddings || vocabulary != Quantization::kNone) && name == "lm_head.weight") ||
           name.ends_with(".rotary_emb.inv_freq");
  }));
  if (options.adapter != nullptr) {
    RERANK_TRY(options.adapter->all_used([&](std::string_view name) {
      const auto layer = layer_of(name);
      return layer >= loaded.cutoffs.last && layer < config.layers;
    }));
  }
  loaded.sizes = sizes_of(config, loaded);
  return loaded;
}

}  // namespace rerank::models
