// The sizes and switches of a BERT-like encoder, read from config.json and checked.
#pragma once

#include <cstddef>

#include "io/json.h"
#include "kernels/kernel_table.h"
#include "rerank/error.h"

namespace rerank::models {

struct EncoderConfig {
  std::size_t hidden = 0, layers = 0, heads = 0, ffn = 0;
  std::size_t vocabulary = 0, positions = 0, token_types = 0;
  std::int32_t pad_token_id = 0;
  float layer_norm_eps = 0;
  kernels::Activation activation = kernels::Activation::kGelu;

  std::size_t head_dim() const { return hidden / heads; }
  // Kernels want whole panels: each head is widened with zero columns when the weights are packed.
  std::size_t padded_head_dim() const { return kernels::round_up(head_dim(), kernels::kPanel); }
  std::size_t padded_width() const { return heads * padded_head_dim(); }
};

// kCorrupt for a missing, mistyped or absurd value; kUnsupported for what this engine cannot run: an activation,
// relative positions, more than one label. The names are those of transformers' BertConfig and XLMRobertaConfig.
Result<EncoderConfig> read_encoder_config(const io::Json& config);

}  // namespace rerank::models
