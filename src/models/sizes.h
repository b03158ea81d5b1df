// The sizes of a model, as config.json states them.
#pragma once

#include <cstddef>

namespace rerank::models {

struct Sizes {
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, ffn = 0;
  int loaded_layers = 0;
  int vocabulary = 0;     // rows of the embedding table
  int max_positions = 0;  // tokens of the longest sequence
  std::size_t parameters = 0;
  std::size_t packed_bytes = 0;  // weights as held in memory for the kernels
};

}  // namespace rerank::models
