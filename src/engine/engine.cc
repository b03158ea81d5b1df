#include "rerank/engine.h"

#include "base/try.h"
#include "engine/choose_ops.h"
#include "engine/embedded_model.h"
#include "engine/generating_model.h"
#include "engine/load_scorer.h"
#include "engine/model_tokenizer.h"
#include "engine/score_once.h"
#include "engine/text_generator.h"
#include "models/quantized_matrix.h"

namespace rerank {
namespace {

// The last part of the path: "." and a trailing slash have one too.
std::string folder_name(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(folder, ignored).filename().string();
}

ModelInfo info_of(const LoadedScorer& loaded) {
  const models::Sizes& sizes = loaded.sizes;
  ModelInfo info;
  info.architecture = loaded.architecture;
  info.layers = sizes.layers;
  info.loaded_layers = sizes.loaded_layers;
  info.cutoff_layers = loaded.cutoff_layers;
  info.hidden = sizes.hidden;
  info.heads = sizes.heads;
  info.kv_heads = sizes.kv_heads;
  info.ffn = sizes.ffn;
  info.vocabulary = sizes.vocabulary;
  info.max_positions = sizes.max_positions;
  info.parameters = sizes.parameters;
  info.packed_bytes = sizes.packed_bytes;
  return info;
}

}  // namespace

struct Engine::Impl {
  Impl(io::Checkpoint opened, int threads) : checkpoint(std::move(opened)), tokenizer(checkpoint), workers(threads) {}

  static Result<std::shared_ptr<const Impl>> load(Result<io::Checkpoint> opened, std::string name,
                                                  const EngineOptions& options);

  void save(models::WeightCache& cache_of_weights) {
    cache_of_weights.save();
    remarks = cache_of_weights.remarks();
    info.weight_cache = cache_of_weights.outcome();
  }

  io::Checkpoint checkpoint;  // embedding tables stay mapped
  BackgroundTokenizer tokenizer;
  WorkerPool workers;
  std::unique_ptr<const Scorer> scorer;  // borrows all of the above
  std::shared_ptr<GeneratingModel> generating;
  std::unique_ptr<ScoreCache> cache;
  mutable ReuseCounts reuse;
  ModelInfo info;
  std::vector<std::string> remarks;  // on loading
};

Result<std::shared_ptr<const Engine::Impl>> Engine::Impl::load(Result<io::Checkpoint> opened, std::string name,
                                                               const EngineOptions& options) {
  RERANK_ASSIGN(ChosenOps chosen, choose_ops(options));
  RERANK_ASSIGN(io::Checkpoint checkpoint, std::move(opened));
  RERANK_ASSIGN(const scoring::DetectedMethod detected,
                scoring::detect_method(checkpoint.config(), checkpoint.name(), options.method));

  RERANK_ASSIGN(const models::Quantization quantization, models::read_quantization(checkpoint.config()));
  RERANK_ASSIGN(const models::Quantization vocabulary, models::read_vocabulary_quantization(checkpoint.config()));

  auto impl = std::make_shared<Impl>(std::move(checkpoint), chosen.threads);
  const auto cache = open_weight_cache(impl->checkpoint, chosen, scoring::name_of(detected.method), options);
  RERANK_ASSIGN(LoadedScorer loaded, load_scorer({impl->checkpoint, impl->tokenizer, impl->workers, detected.method,
                                                  chosen.ops, chosen.threads, options, cache.get()}));
  impl->info = info_of(loaded);
  impl->scorer = std::move(loaded.scorer);
  impl->generating = std::move(loaded.generating);
  if (options.score_cache_bytes > 0) impl->cache = std::make_unique<ScoreCache>(options.score_cache_bytes);
  if (cache != nullptr) impl->save(*cache);
  impl->info.name = std::move(name);
  impl->info.method = scoring::name_of(detected.method);
  impl->info.method_reason = detected.reason;
  impl->info.dtype = std::move(chosen.dtype);
  impl->info.cpu_level = std::move(chosen.cpu_level);
  impl->info.threads = chosen.threads;
  impl->info.quantization = models::name_of(quantization);
  impl->info.vocabulary_quantization = models::name_of(vocabulary);
  impl->info.checkpoint_bytes = impl->checkpoint.store().total_bytes();
  return std::shared_ptr<const Impl>(std::move(impl));
}

Result<Engine> Engine::load(const std::filesystem::path& folder, const EngineOptions& options) {
  RERANK_ASSIGN(auto impl, Impl::load(io::Checkpoint::open(folder), folder_name(folder), options));
  return Engine(std::move(impl));
}

Result<Engine> Engine::load_embedded(const EngineOptions& options) {
  RERANK_ASSIGN(auto impl, Impl::load(io::Checkpoint::from_memory(embedded_checkpoint()), "embedded", options));
  return Engine(std::move(impl));
}

Result<std::vector<Result<Score>>> Engine::score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                      const Progress& progress) const {
  return score_once(*impl_->scorer, impl_->cache.get(), impl_->reuse, pairs, options, progress);
}

std::vector<std::string> Engine::remarks(const ScoreOptions& options) const {
  std::vector<std::string> remarks = impl_->remarks;
  for (std::string& remark : impl_->scorer->remarks(options)) remarks.push_back(std::move(remark));
  return remarks;
}

Work Engine::work() const {
  Work work = impl_->scorer->work();
  work.tokens_given += impl_->reuse.tokens;
  work.repeated_pairs = impl_->reuse.repeated_pairs;
  work.cache_hits = impl_->reuse.cache_hits;
  work.cache_misses = impl_->reuse.cache_misses;
  return work;
}

Result<std::vector<Score>> Engine::score(std::span<const Pair> pairs, const ScoreOptions& options,
                                         const Progress& progress) const {
  RERANK_ASSIGN(auto each, score_each(pairs, options, progress));
  std::vector<Score> scores;
  scores.reserve(each.size());
  for (auto& score : each) {
    RERANK_TRY(score);
    scores.push_back(score.value());
  }
  return scores;
}

Result<std::vector<Result<PairTokens>>> Engine::measure(std::span<const Pair> pairs,
                                                        const ScoreOptions& options) const {
  return impl_->scorer->measure(pairs, options);
}

ModelTokenizer Engine::tokenizer() const {
  // A model that was loaded has one.
  const std::shared_ptr<const tokenizer::Tokenizer> tokenizer(impl_, impl_->tokenizer.get().value());
  return ModelTokenizer(std::make_shared<const ModelTokenizer::Impl>(ModelTokenizer::Impl{tokenizer}));
}

Result<TextGenerator> Engine::generator() const {
  if (impl_->generating == nullptr)
    return Error{Error::Code::kUnsupported, "writes no text: its method is " + impl_->info.method, impl_->info.name,
                 "use a model with the method expectation or reasoning"};
  return TextGenerator(std::make_shared<const TextGenerator::Impl>(impl_, *impl_->generating, impl_->checkpoint));
}

const ModelInfo& Engine::info() const {
  return impl_->info;
}

Engine::Engine(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

}  // namespace rerank
