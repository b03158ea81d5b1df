// The sizes and switches of a causal decoder. Each architecture's file says how its config.json becomes one.
#pragma once

#include <cstddef>
#include <vector>

#include "io/json.h"
#include "kernels/kernel_table.h"
#include "models/rotary.h"
#include "rerank/error.h"

namespace rerank::models {

struct DecoderConfig {
  std::size_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0;
  std::size_t vocabulary = 0, positions = 0;
  float norm_eps = 0;
  float norm_offset = 0;  // RMSNorm multiplies by norm_offset + weight
  kernels::Activation gate = kernels::Activation::kSiluGate;
  RotaryConfig rotary;
  bool query_key_value_bias = false, attention_output_bias = false;
  bool sandwich_norms = false;  // attention and feed-forward are normalised once more before they are added (Gemma 2)
  float embedding_scale = 1, residual_scale = 1, attention_scale = 1;
  float attention_softcap = 0, final_softcap = 0;  // 0: none
  std::vector<std::size_t> windows;  // [layers]: tokens that a token of the layer sees, itself included; 0: all before
  float logit_scale = 1;             // the vocabulary's logits are those of logit_scale * state
  bool tied_embeddings = false;      // the vocabulary matrix is the embedding table

  // Kernels want whole panels: each head is widened with zero columns when the weights are packed.
  std::size_t padded_head_dim() const { return kernels::round_up(head_dim, kernels::kPanel); }
  std::size_t query_width() const { return heads * padded_head_dim(); }
  std::size_t key_value_width() const { return 2 * kv_heads * padded_head_dim(); }
};

// What differs between architectures in the defaults of keys that config.json may leave out.
struct DecoderDefaults {
  std::size_t head_dim = 0;  // 0: hidden_size / num_attention_heads
  bool tied_embeddings = false;
};

// Everything that the architectures spell alike, checked. kCorrupt for a missing, mistyped or absurd value;
// kUnsupported for what cannot run here, an activation or a dropout-free bias nobody knows. `attention_scale` is
// 1 / sqrt(head_dim), and no layer has a window.
Result<DecoderConfig> read_decoder_config(const io::Json& config, const DecoderDefaults& defaults);

// The architectures' own files.
Result<DecoderConfig> read_gemma(const io::Json& config);
Result<DecoderConfig> read_gemma2(const io::Json& config);
Result<DecoderConfig> read_minicpm(const io::Json& config);
Result<DecoderConfig> read_qwen2(const io::Json& config);
Result<DecoderConfig> read_llama(const io::Json& config);
Result<DecoderConfig> read_mistral(const io::Json& config);

}  // namespace rerank::models
