// The engine: loads one reranker and scores (query, passage) pairs with it.
//
//   auto engine = rerank::Engine::load("bge-reranker-v2-m3");
//   if (!engine.ok()) { std::cerr << engine.error().message(); return 2; }
//   auto ranking = engine.value().rank("what is panda?", passages, 10);
//
// The score of a pair depends on that pair, the model, the dtype and the machine's CPU level, and on nothing else: not
// on the other pairs of a call, their order, the number of threads or earlier calls. It is the same to the last bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank {

class TextGenerator;

// Both texts are UTF-8 and only borrowed for the call.
struct Pair {
  std::string_view query, passage;
};

struct Score {
  // A logit (a float32 widened) or an expected value, or either mapped to [0, 1] if `normalize` was asked for; the
  // probability of true that reasoning gives. Of several cutoff layers the highest one's.
  double value = 0;
  std::uint32_t tokens = 0;               // tokens of the pair, special tokens and prompt included
  std::uint32_t cut_tokens = 0;           // tokens of query and passage that truncation left out
  std::vector<double> layer_values = {};  // of several cutoff layers, in the order asked for; else empty
  // Reasoning only.
  std::string reasoning = {};    // what the model wrote, without the verdict
  std::uint32_t new_tokens = 0;  // that it wrote, those of the verdict included
  bool finished = true;          // whether it came to a verdict of its own
};

struct RankedPassage {
  std::size_t index = 0;  // position in the list that was given
  Score score;
};

// How rank_progressively() spares work.
struct ProgressiveOptions {
  int early_layer = 0;  // whose scores decide who is carried on; 0: the one with a head next to a quarter of the layers
  double deviations = 3;  // how far off an early score may be, in standard deviations of those that are known
};

struct ProgressiveRanking {
  std::vector<RankedPassage> ranking;  // the best ones, with the scores that rank() gives them
  std::size_t carried = 0;             // passages that went through all layers
  int early_layer = 0, last_layer = 0;
  // Share of the operations of rank(), estimated from the passages that were carried on; may be below 0.
  double work_saved = 0;
};

// What was loaded, for people and for `rerank info`.
struct ModelInfo {
  std::string name;           // folder name, or "embedded"
  std::string architecture;   // as in config.json: "XLMRobertaForSequenceClassification"
  std::string method;         // "cross-encoder", "yes-logit", "layerwise", "lightweight", "expectation", "reasoning"
  std::string method_reason;  // why that method: "config.json names XLMRobertaForSequenceClassification"
  std::string dtype;          // "f32", "bf16" or "int8"
  std::string cpu_level;      // "amx", "avx512-bf16", ...
  int threads = 0;
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, ffn = 0;
  int loaded_layers = 0;           // those up to EngineOptions::last_layer
  std::vector<int> cutoff_layers;  // that can be asked for; empty where the method has none
  int vocabulary = 0;              // rows of the embedding table
  int max_positions = 0;           // tokens that the longest pair may have
  std::size_t parameters = 0;
  std::string quantization;  // how the checkpoint holds its linear layers: "awq", "rerank-int8"; empty: as floats
  std::string vocabulary_quantization;  // the same of the product with the vocabulary: "rerank-int8"; empty: as floats
  std::size_t checkpoint_bytes = 0;     // tensors as stored
  std::size_t packed_bytes = 0;         // weights as held in memory for the kernels
  std::string weight_cache;  // what came of EngineOptions::weight_cache: "read FILE" or "wrote FILE"; empty: neither
};

// What an engine has done since it was loaded.
struct Work {
  std::uint64_t tokens_given = 0;     // tokens of all pairs scored
  std::uint64_t tokens_computed = 0;  // tokens that went through the first layer: fewer where prefixes were shared
  double flops = 0;                   // of matrix products and attention
  double flops_given = 0;             // what they would be for every token in every layer of the checkpoint
  std::uint64_t new_tokens = 0;       // generated, by reasoning
  // Reasoning only. A pass takes tokens of one or many pairs through the whole model.
  std::uint64_t passes = 0;
  std::uint64_t kv_bytes_read = 0;  // keys and values, in all passes
  std::uint64_t shared_tokens = 0;  // of prompts, that were computed for another one
  std::uint64_t preemptions = 0;    // pairs that gave their memory to an older one, and were computed again
  // Pairs that were not computed: their tokens are among those given, their operations nowhere.
  std::uint64_t repeated_pairs = 0;  // that their call held before
  std::uint64_t cache_hits = 0;      // of the others, those whose score was known (EngineOptions::score_cache_bytes)
  std::uint64_t cache_misses = 0;    // and those whose score was not
};

// Ids of one text or pair as the model's tokenizer.json gives them; no truncation.
struct TokenIds {
  std::vector<std::int32_t> ids, type_ids;
};

// How long a pair is to its model, as in Score.
struct PairTokens {
  std::uint32_t tokens = 0, cut_tokens = 0;
};

struct Token {
  std::int32_t id = 0;
  std::string text = {};           // the piece of the vocabulary, as tokenizer.json spells it
  bool special = false;            // one that the model's template added
  std::size_t begin = 0, end = 0;  // bytes of the text that it stands for; 0 and 0 for tokens of the template
};

// The tokenizer of a model alone: no weights are read. Immutable; safe to share between threads.
class ModelTokenizer {
 public:
  static Result<ModelTokenizer> load(const std::filesystem::path& folder);
  static Result<ModelTokenizer> load_embedded();
  // `special_tokens`: with those of the model's template. `special_tokens_in_text`: as in ScoreOptions.
  Result<TokenIds> encode(std::string_view text, std::optional<std::string_view> text_pair, bool special_tokens,
                          bool special_tokens_in_text = true) const;
  // What these ids are, and which bytes of the text each stands for. kBadInput for text that is not UTF-8.
  Result<std::vector<Token>> tokens(std::string_view text, bool special_tokens,
                                    bool special_tokens_in_text = true) const;
  // The text of `ids`; ids that name nothing are left out.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;

  ModelTokenizer(ModelTokenizer&&) noexcept;
  ModelTokenizer& operator=(ModelTokenizer&&) noexcept;
  ~ModelTokenizer();

 private:
  friend class Engine;
  friend class TextGenerator;
  struct Impl;
  explicit ModelTokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// Called from worker threads, one at a time, with the number of pairs of the current call that are done.
using Progress = std::function<void(std::size_t pairs_done)>;

// Safe to call from many threads at once; the calls share the weights and queue for the worker threads.
class Engine {
 public:
  // `folder` is a Hugging Face model folder: config.json, safetensors, tokenizer.json.
  static Result<Engine> load(const std::filesystem::path& folder, const EngineOptions& options = {});
  // The small English cross-encoder that is compiled into the library.
  static Result<Engine> load_embedded(const EngineOptions& options = {});

  // One Result a pair, in the order given: a bad pair (invalid UTF-8, a score that is not finite) does not lose the
  // others. The outer error is for options that fit no pair (max_length too small, or larger than the model's
  // positions).
  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options = {},
                                                const Progress& progress = {}) const;
  // The same for callers who want all or nothing: the first bad pair is the error, and names its index.
  Result<std::vector<Score>> score(std::span<const Pair> pairs, const ScoreOptions& options = {},
                                   const Progress& progress = {}) const;
  // Passages by falling score, ties in the order given; at most `top_n` of them (0: all).
  Result<std::vector<RankedPassage>> rank(std::string_view query, std::span<const std::string_view> passages,
                                          std::size_t top_n = 0, const ScoreOptions& options = {}) const;

  // The same with less work, for models with heads at several layers (layerwise, lightweight): all passages are scored
  // at an early layer, and those carried on to the last one (of `options`, else of the model) that may still be among
  // the best `top_n`, as far as early scores tell. One whose last score they did not foretell can be missed; those that
  // are found have the very scores of rank(). kUnsupported for other models: their states say nothing before the last
  // layer. kBadInput for top_n 0.
  Result<ProgressiveRanking> rank_progressively(std::string_view query, std::span<const std::string_view> passages,
                                                std::size_t top_n, const ScoreOptions& options = {},
                                                const ProgressiveOptions& progressive = {}) const;

  // How long pairs would be, without scoring them. Errors as of score_each.
  Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs, const ScoreOptions& options = {}) const;
  // The model's own tokenizer: it is not loaded again, and may outlive the engine.
  ModelTokenizer tokenizer() const;
  // Writes with the model's own weights, which may outlive the engine. Expectation and reasoning; kUnsupported for the
  // other methods, which hold no vocabulary.
  Result<TextGenerator> generator() const;

  const ModelInfo& info() const;
  // What in `options` was not taken as written, for people: a cutoff layer without a head, say. One sentence each.
  std::vector<std::string> remarks(const ScoreOptions& options) const;
  Work work() const;

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

 private:
  struct Impl;
  explicit Engine(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace rerank
