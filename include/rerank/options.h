// What a caller can choose. Names and defaults follow FlagEmbedding's rerankers.
#pragma once

#include <string>

namespace rerank {

enum class Dtype {
  kAuto,  // bf16 where the CPU multiplies it natively (AMX, AVX512-BF16), else f32
  kF32,   // reproduces the reference program run in float32
  kBf16,  // weights and matrix inputs in bfloat16, sums in f32
};

// Which of the two rules in the wild cuts a pair that is too long.
enum class Truncation {
  kFlagEmbedding,  // the query to query_max_length, then only the passage until the pair fits max_length
  kCard,           // the model card's plain pair call: the longer of the two loses tokens first
};

// Fixed when a model is loaded.
struct EngineOptions {
  Dtype dtype = Dtype::kAuto;
  int threads = 0;          // worker threads; 0: one for each CPU that this process may use
  std::string method = {};  // "cross-encoder"; empty: found from config.json
  // Caps the CPU level: scalar, avx2, avx512, avx512-bf16, amx; empty: RERANK_CPU_LEVEL, else the best.
  std::string cpu_level = {};
};

// May differ from call to call.
struct ScoreOptions {
  int max_length = 0;  // tokens of a whole pair, special tokens included; 0: 512, or the model's positions if fewer
  int query_max_length = 0;  // tokens of the query; 0: three quarters of max_length
  Truncation truncation = Truncation::kFlagEmbedding;
  // Text that spells a control token ("</s>") becomes it, as in the reference; false keeps it plain text:
  // docs/security.md.
  bool special_tokens_in_text = true;
  bool normalize = false;  // the sigmoid of the logit, in double precision

  // An instruction goes before its text through the format: the first {} is the instruction, the second the text, and
  // the two characters \n become a newline. An empty instruction leaves the text as it is.
  std::string query_instruction = {};
  std::string query_instruction_format = "{}{}";
  std::string passage_instruction = {};
  std::string passage_instruction_format = "{}{}";
};

}  // namespace rerank
