// What a caller can choose. Names and defaults follow FlagEmbedding's rerankers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank {

struct Score;

enum class Dtype {
  kAuto,  // bf16 where the CPU multiplies it natively (AMX, AVX512-BF16), else f32
  kF32,   // reproduces the reference program run in float32
  kBf16,  // weights and matrix inputs in bfloat16, sums in f32
  kInt8,  // linear layers in 8-bit integers, weights and inputs; the rest as bf16, or f32 where the CPU has no bf16
};

// Which of the two rules in the wild cuts a pair that is too long.
enum class Truncation {
  // The query to query_max_length, then only the passage until the pair fits max_length. LLM rerankers cut at
  // max_length plus separator plus prompt, and add both once more after the cut.
  kFlagEmbedding,
  // As the model cards do it. Cross-encoders: the longer of the two texts loses tokens first. LLM rerankers: only the
  // passage, until it and the query fit max_length (default 1024); separator and prompt come on top.
  kCard,
};

// Which output head of a lightweight model reads a cutoff layer (docs/decisions/0006).
enum class Heads {
  kByPosition,  // the k-th of the requested layers is read by the k-th head, as FlagEmbedding does it
  kByLayer,     // each layer is read by the head that was trained on it
};

// What becomes of the probabilities p(1) .. p(7) that an `expectation` model gives.
enum class Readout {
  kExpectedValue,  // sum of i p(i), from 1 to 7, as in the model card
  kHighMinusLow,   // mean of p(4) .. p(7) minus mean of p(1) .. p(4), behind the published evaluation
};

// What becomes of the reasoning that a `reasoning` model wrote: p(true) / (p(true) + p(false)) is read where they say.
enum class Verdict {
  // Where the model said true or false. Where it never did (the limit came first, say), after its last whole sentence
  // and an end of thinking that is written for it.
  kForced,
  // The official code: at the last token, whatever that is; as above only where one of the two is not among the 20
  // likeliest tokens there. Meaningless after a cut in the middle of the reasoning.
  kOfficial,
  kCard,  // the model card: at the last token; a pair is an error where one of the two is not among the 20 likeliest
};

// Fixed when a model is loaded.
struct EngineOptions {
  Dtype dtype = Dtype::kAuto;
  int threads = 0;             // worker threads; 0: one for each CPU that this process may use
  std::string method = {};     // a name from the table in docs/models.md; empty: found from config.json
  int last_layer = 0;          // layerwise and lightweight: layers above it are not loaded; 0: all
  std::string adapter = {};    // folder of a PEFT LoRA adapter, merged into the weights when they are loaded
  std::string answer = "Yes";  // yes-logit: the answer whose first token's logit is the score
  std::size_t kv_bytes = 0;    // generation: memory for keys and values; 0: a quarter of the machine's
  // Memory for scores that were computed before: a pair that comes again with the same settings is not computed again.
  // 0: none are kept.
  std::size_t score_cache_bytes = 0;
  // Folder for weights as the kernels hold them, which the next process maps instead of making them again: it starts
  // sooner, and shares their memory. Takes as much disk as the weights take memory; what is in it may be deleted at any
  // time. Empty: RERANK_WEIGHT_CACHE, else none. Not used with an adapter, nor for the embedded model.
  std::string weight_cache = {};
  // Caps the CPU level: scalar, avx2, avx512, avx512-bf16, amx; empty: RERANK_CPU_LEVEL, else the best.
  std::string cpu_level = {};
};

// May differ from call to call.
struct ScoreOptions {
  // Tokens of a whole pair, special tokens included; what it means for LLM rerankers, `truncation` says. 0: 512 (card:
  // 1024), or the model's positions if fewer; expectation: the model's positions; reasoning: 16000, new tokens
  // included, or the model's positions if fewer.
  int max_length = 0;
  int query_max_length = 0;  // tokens of the query; 0: three quarters of max_length, or all (expectation, reasoning)
  Truncation truncation = Truncation::kFlagEmbedding;
  // Text that spells a control token ("</s>") becomes it, as in the reference; false keeps it plain text:
  // docs/security.md.
  bool special_tokens_in_text = true;
  // Scores from 0 to 1, in double precision: the sigmoid of a logit; (score - 1) / 6 of an expected value.
  bool normalize = false;

  // An instruction goes before its text through the format: the first {} is the instruction, the second the text, and
  // the two characters \n become a newline. An empty instruction leaves the text as it is; none at all is the method's
  // own: "A: " and "B: " for yes-logit, layerwise and lightweight.
  std::optional<std::string> query_instruction = {};
  std::string query_instruction_format = "{}{}";
  std::optional<std::string> passage_instruction = {};
  std::string passage_instruction_format = "{}{}";
  // LLM rerankers: what follows the passage; for the expectation the system message; for reasoning what goes around the
  // query, with FILL_QUERY_HERE in its place. None: the method's own.
  std::optional<std::string> prompt = {};

  // Layerwise and lightweight: the layers whose scores are read; empty: the last one. Layers that have no head are left
  // out, repeated ones count once (Engine::remarks says so).
  std::vector<int> cutoff_layers = {};
  // Lightweight: before each of these layers, passage tokens are merged compress_ratio (1, 2, 4 or 8) to one.
  int compress_ratio = 1;
  std::vector<int> compress_layers = {8};
  Heads heads = Heads::kByPosition;
  bool attention_softcap = false;  // Gemma 2's own cap on attention logits; FlagEmbedding's default leaves it out

  int top_logprobs = 0;  // expectation: p(i) of tokens that are not among the K likeliest counts 0; 0: all count
  Readout readout = Readout::kExpectedValue;

  // Reasoning: tokens that the model may write; 0: none, and every verdict is forced. None: 8192, or that share of a
  // context below 16000.
  std::optional<int> max_new_tokens = {};
  // Reasoning: after so many new tokens the verdict is forced, whatever `verdict` says; 0: no budget.
  int think_budget = 0;
  Verdict verdict = Verdict::kForced;
  // Reasoning: so many times the verdict that the model came to is taken back, "Wait" written in its place, and the
  // model thinks on. All of its text shares max_new_tokens; where they leave no room, the verdict stands.
  int rethink = 0;
  // Reasoning, to measure speed: the model writes max_new_tokens whatever they say, and the verdict is forced.
  bool ignore_stop = false;
  // Reasoning takes long: called as each pair's score is known, from one thread at a time. False ends the call soon;
  // pairs without a score are errors then. The other methods do not call it.
  std::function<bool(std::size_t pair_idx, const Result<Score>& score)> on_score = {};
  // The same after each pass through the model, with the tokens that the call has written so far.
  std::function<bool(std::uint64_t new_tokens)> on_tokens = {};
  // The same with what the model has written for a pair since the last time. With `rethink` the end of a thought is
  // told that is taken back later; Score::reasoning is what counts.
  std::function<bool(std::size_t pair_idx, std::string_view text)> on_reasoning = {};

  // Tokens that pairs have in common at their beginning are computed once. Changes speed, never a score.
  bool share_prefixes = true;

  // All methods but reasoning, which has on_tokens: asked between micro-batches. A stop that is requested, from any
  // thread, ends the call soon; pairs without a score are errors then.
  std::stop_token stop = {};
};

}  // namespace rerank
