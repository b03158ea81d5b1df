// Which matrices of a checkpoint can be quantized: the linear layers between its embeddings and its head, where nearly
// all of its weights are.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::models {

struct LinearLayer {
  std::string name;  // the scope of its "weight" [out, in]: "model.layers.0.mlp.up_proj"
  std::size_t out = 0, in = 0;
  // Its inputs are heads that the kernels pad with zeros: groups of them would no longer be those of the file
  // (load_head_output), so that it has to stay as it is.
  bool padded_inputs = false;
};

// The product with the vocabulary, of an architecture that can write text.
struct VocabularyLayer {
  std::string weight;           // the name of its weight [out, in]: "lm_head.weight", or that of the embeddings
  std::size_t out = 0, in = 0;  // the vocabulary's size, and the hidden state's
  bool tied = false;            // it is the embeddings' weight
};

struct LinearLayerList {
  std::string architecture;
  std::vector<LinearLayer> layers;  // from the first layer to the last, in the order of the computation
  std::optional<VocabularyLayer> vocabulary;
};

// Those that config.json implies. Errors: as for loading; kUnsupported, with the list of names, for an architecture
// that does not run.
Result<LinearLayerList> linear_layers(const io::Json& config);

}  // namespace rerank::models
