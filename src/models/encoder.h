// The post-norm transformer encoder that BERT and XLM-RoBERTa share. Vaswani et al. 2017, section 3.1; transformers'
// modeling_bert.py (BertEncoder) and modeling_xlm_roberta.py.
#pragma once

#include <vector>

#include "io/weights.h"
#include "kernels/ops.h"
#include "models/encoder_config.h"
#include "models/load_weights.h"
#include "models/sequence_classifier.h"

namespace rerank::models {

struct HeadColumns;  // axis: heads * padded head_dim

struct EncoderLayer {
  kernels::Weight<HeadColumns, Hidden> query;      // [width, hidden]
  kernels::Weight<HeadColumns, Hidden> key_value;  // [2 * width, hidden]: keys, then values
  kernels::Weight<Hidden, HeadColumns> attention_output;
  kernels::NormWeights attention_norm;
  kernels::Weight<Ffn, Hidden> up;
  kernels::Weight<Hidden, Ffn> down;
  kernels::NormWeights ffn_norm;

  // `scope` is one layer: "bert.encoder.layer.3".
  static Result<EncoderLayer> load(const io::WeightScope& scope, const EncoderConfig& config,
                                   const LoadOptions& options);
};

// word + position + token type, then LayerNorm. The tables stay in the mapped checkpoint: a batch touches few of their
// rows.
struct EncoderEmbeddings {
  io::Tensor words, positions, token_types;  // [vocabulary | positions | token_types, hidden]
  kernels::NormWeights norm;

  // `scope` is "bert.embeddings".
  static Result<EncoderEmbeddings> load(const io::WeightScope& scope, const EncoderConfig& config);
};

class Encoder {
 public:
  // `scope` is the backbone: "bert" or "roberta".
  static Result<Encoder> load(const io::WeightScope& scope, const EncoderConfig& config, const kernels::Ops& ops,
                              const LoadOptions& options);

  const EncoderConfig& config() const { return config_; }
  const kernels::Ops& ops() const { return ops_; }
  std::size_t packed_bytes() const;

  // The hidden state of each pair's first token after the last layer, as rows [pairs, hidden] inside `workspace`,
  // followed by `extra_bytes` of scratch for the head. In the last layer only keys and values are computed for the
  // other tokens, unless a trace asks for all of them; the rows are the same bits either way.
  //   position_ids  [tokens], rows of the position table
  struct Output {
    kernels::Acts<Hidden> first_tokens;
    float* linear_scratch;
    kernels::Carver head;  // where the head carves its own scratch
  };
  Result<Output> forward(const RaggedBatch& batch, std::span<const std::int32_t> position_ids,
                         kernels::Workspace& workspace, std::size_t head_bytes, Trace* trace, Team* team) const;

 private:
  Encoder(EncoderConfig config, kernels::Ops ops) : config_(config), ops_(ops) {}

  struct Buffers;
  Status check(const RaggedBatch& batch) const;
  void embed(const RaggedBatch& batch, std::span<const std::int32_t> position_ids, const Buffers& b) const;
  void run_layer(const EncoderLayer& layer, const RaggedBatch& batch, const Buffers& b) const;
  void run_last_layer(const EncoderLayer& layer, const RaggedBatch& batch, const Buffers& b) const;
  // Of `query` [rows, width], where a pair has `query_rows` (0: one a token), into b.context.
  void attend(const kernels::Heads& query, std::size_t query_rows, const RaggedBatch& batch, const Buffers& b) const;
  // Everything after attention, on the rows of `x`.
  void finish_layer(const EncoderLayer& layer, const kernels::Acts<Hidden>& x, const kernels::Tiles<Hidden>& tiles,
                    const kernels::Tiles<HeadColumns>& context, const kernels::Tiles<Ffn>& ffn, const Buffers& b) const;

  EncoderConfig config_;
  kernels::Ops ops_;
  EncoderEmbeddings embeddings_;
  std::vector<EncoderLayer> layers_;
};

}  // namespace rerank::models
