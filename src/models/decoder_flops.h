// What a decoder layer costs, counted and not measured. A multiplication and an addition are two operations.
#pragma once

#include <algorithm>
#include <cstddef>

#include "models/decoder_config.h"

namespace rerank::models {

// Matrix products of one layer: keys and values for `rows` tokens, all else for `finished` of them.
inline double decoder_layer_flops(const DecoderConfig& c, std::size_t rows, std::size_t finished) {
  const auto product = [](std::size_t out, std::size_t in) {
    return 2 * static_cast<double>(out) * static_cast<double>(in);
  };
  const double key_value = product(2 * c.kv_heads * c.head_dim, c.hidden);
  const double rest = 2 * product(c.heads * c.head_dim, c.hidden) + 3 * product(c.ffn, c.hidden);
  return static_cast<double>(rows) * key_value + static_cast<double>(finished) * rest;
}

// Attention of the tokens at positions first .. length - 1: each with itself and what it sees before it.
inline double decoder_attention_flops(const DecoderConfig& c, std::size_t first, std::size_t length,
                                      std::size_t window) {
  double keys = 0;
  for (std::size_t position = first; position < length; ++position)
    keys += static_cast<double>(window == 0 ? position + 1 : std::min(position + 1, window));
  return 4 * keys * static_cast<double>(c.heads * c.head_dim);
}

}  // namespace rerank::models
