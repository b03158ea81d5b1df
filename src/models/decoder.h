// The pre-norm causal decoder that Gemma, Gemma 2, MiniCPM, Qwen2, Llama and Mistral share; their files say how they
// differ. Touvron et al. 2023, section 2.2, and the sources those files name.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/weights.h"
#include "kernels/ops.h"
#include "models/decoder_config.h"
#include "models/kv_cache.h"
#include "models/load_weights.h"
#include "models/trace.h"

namespace rerank::models {

struct HeadColumns;  // axis: heads * padded head_dim
struct GateUp;       // axis: gates and values they gate, 2 * ffn

struct DecoderLayer {
  kernels::RmsNormWeights attention_norm;
  kernels::Weight<HeadColumns, Hidden> query;      // [query_width, hidden]
  kernels::Weight<HeadColumns, Hidden> key_value;  // [key_value_width, hidden]: keys, then values
  kernels::Weight<Hidden, HeadColumns> attention_output;
  kernels::RmsNormWeights ffn_norm;
  kernels::Weight<GateUp, Hidden> gate_up;
  kernels::Weight<Hidden, Ffn> down;
  kernels::RmsNormWeights after_attention_norm, after_ffn_norm;  // only with sandwich_norms

  // `scope` is one layer: "model.layers.3".
  static Result<DecoderLayer> load(const io::WeightScope& scope, const DecoderConfig& config,
                                   const LoadOptions& options);
  std::size_t packed_bytes() const;
};

// A sequence whose first tokens need not be computed again.
struct CausalSequence {
  const KvCache* past = nullptr;  // keys and values of its first `past_tokens` tokens; may hold more
  std::size_t past_tokens = 0;
  // Where the keys and values of all its tokens stay after the pass; it holds those of the first past_tokens tokens
  // already, and `past` plays no part. nullptr: they go with the pass.
  KvCache* keep = nullptr;
  // Only for compression: the tokens before the passage and after it, which stay whole. past_tokens <= query_tokens.
  std::size_t query_tokens = 0, prompt_tokens = 0;
};

// Sequences end to end, no padding; only the tokens to compute.
struct CausalBatch {
  std::vector<std::int32_t> token_ids;          // [tokens]
  std::vector<std::uint32_t> cu_seqlens = {0};  // [sequences + 1]
  std::vector<CausalSequence> sequences;

  // `ids`: the tokens after the first past_tokens ones; at least one.
  void add(std::span<const std::int32_t> ids, const CausalSequence& sequence);
  std::size_t tokens() const { return token_ids.size(); }
};

struct CausalOptions {
  std::size_t layers = 0;            // how many run
  std::vector<std::size_t> cutoffs;  // rising, 1 .. layers: after how many layers the last token's state is read
  // Before layer i runs, if compress_before[i], the passage of each sequence becomes the means of groups of
  // compress_ratio neighbouring hidden states (FlagEmbedding's gemma_model.py, token_compress). Without `keep` only.
  std::size_t compress_ratio = 1;
  std::vector<bool> compress_before;  // [layers], or empty
  bool attention_softcap = true;      // where the model has one
};

// What a pass did.
struct CausalWork {
  std::size_t tokens = 0;
  double flops = 0;  // matrix products and attention; a multiplication and an addition are two
};

// Immutable; serves any number of threads, each with a Workspace of its own.
class Decoder {
 public:
  // Loads the first `layers` layers below `scope` ("model").
  static Result<Decoder> load(const io::WeightScope& scope, const DecoderConfig& config, std::size_t layers,
                              const kernels::Ops& ops, const LoadOptions& options);

  const DecoderConfig& config() const { return config_; }
  const kernels::Ops& ops() const { return ops_; }
  std::size_t layers() const { return layers_.size(); }
  std::size_t packed_bytes() const;
  std::size_t kv_page_bytes() const;

  // Reads embeddings from `table` [vocabulary, hidden] from now on, and gives the checkpoint's pages of them back.
  void use_embeddings(std::shared_ptr<const kernels::PackedWeight> table);
  const io::Tensor& embeddings() const { return embeddings_; }

  // Runs the tokens of `batch` through options.layers layers. In the last one only keys and values are computed for all
  // tokens, the rest for the last token of each sequence.
  //   states  [cutoffs, sequences, hidden], after the final norm
  //   trace   gets embeddings and each layer's output at the last token of each sequence, and all rows that enter a
  //           layer after compression
  //   team    does the products and the attention of the pass together, to the same bits; nullptr: the caller alone
  // kBadInput for a token id outside the vocabulary or a sequence beyond the model's positions.
  Result<CausalWork> forward(const CausalBatch& batch, const CausalOptions& options, kernels::Workspace& workspace,
                             std::span<float> states, Trace* trace = nullptr, Team* team = nullptr) const;

  // What one sequence of `tokens` tokens costs in all layers of the checkpoint, nothing left out.
  double flops_of_sequence(std::size_t tokens) const;

 private:
  Decoder(DecoderConfig config, kernels::Ops ops);

  struct Buffers;
  class Pass;

  DecoderConfig config_;
  kernels::Ops ops_;
  io::Tensor embeddings_;  // [vocabulary, hidden], mapped
  std::shared_ptr<const kernels::PackedWeight> packed_embeddings_;
  std::vector<DecoderLayer> layers_;
  kernels::RmsNormWeights final_norm_;
  std::unique_ptr<const RotaryTable> rotary_;
};

}  // namespace rerank::models
