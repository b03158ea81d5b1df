// The causal architectures that run, by the names in config.json: one row each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/checkpoint.h"
#include "models/decoder.h"
#include "models/layer_heads.h"
#include "models/sizes.h"
#include "models/vocabulary.h"

namespace rerank::models {

struct CausalArchitecture {
  std::string_view hf_name;
  Result<DecoderConfig> (*read)(const io::Json& config);
};
std::span<const CausalArchitecture> causal_architectures();

// What is read of the last token's state.
enum class Reads {
  kAnswer,      // the logit of one token
  kLayerHeads,  // one number a layer
  kVocabulary,  // probabilities
};

struct CausalLoadOptions {
  Reads reads = Reads::kAnswer;
  // With kAnswer: says which token. Asked after the layers are packed, so that a tokenizer may be read meanwhile.
  std::function<Result<std::int32_t>()> answer = {};
  std::size_t last_layer = 0;  // layers above it are not loaded; 0: all. Rounded up to a layer with a head.
  int threads = 1;
  const LoraAdapter* adapter = nullptr;  // merged into the weights; nullptr: none
  WeightCache* cache = nullptr;          // asked for each matrix first; nullptr: none. None with an adapter.
};

struct LoadedDecoder {
  std::string architecture;
  std::unique_ptr<const Decoder> decoder;
  std::optional<LayerHeads> heads;       // kAnswer, kLayerHeads
  std::optional<Vocabulary> vocabulary;  // kVocabulary
  CutoffRange cutoffs;  // that can be read: the last layer alone, or every layer that is loaded and has a head
  Sizes sizes;
};

// That the vocabulary, of so many rows, has one for the tokenizer's `token`. kCorrupt, calling it `what`, where it has
// not.
Status check_has_row(std::string_view what, std::int32_t token, std::size_t vocabulary);

// Loads the decoder that `checkpoint` holds and checks that every tensor of the layers it loads was read. The
// checkpoint must outlive it: an embedding table that is only looked up stays mapped. kUnsupported, with the list of
// names, for any other architecture.
Result<LoadedDecoder> load_decoder(const io::Checkpoint& checkpoint, const kernels::Ops& ops,
                                   const CausalLoadOptions& options);

}  // namespace rerank::models
