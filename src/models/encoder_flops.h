// What an encoder's pass costs, counted and not measured. A multiplication and an addition are two operations.
#pragma once

#include <cstddef>

#include "models/sizes.h"

namespace rerank::models {

// Products and attention of one layer over a sequence: keys and values for all of its tokens, the rest for `finished`.
inline double encoder_layer_flops(const Sizes& s, std::size_t tokens, std::size_t finished) {
  const auto n = static_cast<double>(tokens), done = static_cast<double>(finished);
  const double hidden = s.hidden, ffn = s.ffn;
  return n * 4 * hidden * hidden + done * (4 * hidden * hidden + 4 * hidden * ffn) + done * n * 4 * hidden;
}

// A sequence of which all tokens go through all layers.
inline double encoder_flops_given(const Sizes& s, std::size_t tokens) {
  return s.layers * encoder_layer_flops(s, tokens, tokens);
}

// The same as it is computed: only the first token goes on from the last layer's keys and values.
inline double encoder_flops(const Sizes& s, std::size_t tokens) {
  return (s.layers - 1) * encoder_layer_flops(s, tokens, tokens) + encoder_layer_flops(s, tokens, 1);
}

}  // namespace rerank::models
