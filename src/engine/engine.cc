#include "rerank/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <future>
#include <mutex>
#include <numeric>

#include "base/cpus.h"
#include "base/try.h"
#include "engine/embedded_model.h"
#include "engine/micro_batches.h"
#include "engine/worker_pool.h"
#include "io/checkpoint.h"
#include "kernels/level.h"
#include "models/registry.h"
#include "scoring/pair_encoder.h"
#include "tokenizer/tokenizer.h"

namespace rerank {
namespace {

using kernels::Element;

// Tokens that go through the model together. More of them read the weights less often; fewer keep the activations in
// L2.
constexpr std::size_t kTokensPerMicroBatch = 512;
// Consecutive pairs that one worker encodes: they mostly share their query, which is then encoded once.
constexpr std::size_t kPairsPerEncoding = 32;

Result<tokenizer::Tokenizer> load_tokenizer(const io::Checkpoint& checkpoint) {
  RERANK_ASSIGN(const std::string_view json, checkpoint.tokenizer_json());
  return tokenizer::Tokenizer::parse(json, "tokenizer.json");
}

Status check_method(const std::string& method) {
  if (method.empty() || method == "cross-encoder") return {};
  return Error{Error::Code::kUnsupported, fmt::format("\"{}\" is not a method that runs here", method), "--method",
               "supported is cross-encoder"};
}

// The last part of the path: "." and a trailing slash have one too.
std::string folder_name(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(folder, ignored).filename().string();
}

std::string cpu_level_cap(const EngineOptions& options) {
  if (!options.cpu_level.empty()) return options.cpu_level;
  const char* from_environment = std::getenv("RERANK_CPU_LEVEL");
  return from_environment == nullptr ? "" : from_environment;
}

}  // namespace

struct Engine::Impl {
  Impl(io::Checkpoint loaded_checkpoint, tokenizer::Tokenizer loaded_tokenizer, models::LoadedClassifier loaded_model,
       ModelInfo model_info)
      : checkpoint(std::move(loaded_checkpoint)),
        tokenizer(std::move(loaded_tokenizer)),
        model(std::move(loaded_model.model)),
        info(std::move(model_info)),
        workers(info.threads) {}

  static Result<std::shared_ptr<const Impl>> load(Result<io::Checkpoint> opened, std::string name,
                                                  const EngineOptions& options);

  std::vector<Result<scoring::EncodedPair>> encode(std::span<const Pair> pairs,
                                                   const scoring::PairEncoder& encoder) const;
  void score_batch(std::span<const std::size_t> batch, std::span<const Result<scoring::EncodedPair>> encoded,
                   const ScoreOptions& options, kernels::Workspace& workspace, std::span<Result<Score>> scores) const;

  io::Checkpoint checkpoint;  // the embedding tables stay mapped
  tokenizer::Tokenizer tokenizer;
  std::unique_ptr<const models::SequenceClassifier> model;
  ModelInfo info;
  mutable WorkerPool workers;
};

Result<std::shared_ptr<const Engine::Impl>> Engine::Impl::load(Result<io::Checkpoint> opened, std::string name,
                                                               const EngineOptions& options) {
  RERANK_TRY(check_method(options.method));
  RERANK_ASSIGN(const kernels::Level* level, kernels::choose_level(cpu_level_cap(options)));
  RERANK_ASSIGN(io::Checkpoint checkpoint, std::move(opened));
  const int threads = options.threads > 0 ? options.threads : usable_cpus();
  const bool bf16 = options.dtype == Dtype::kBf16 || (options.dtype == Dtype::kAuto && level->table->native_bf16);
  const kernels::Ops ops(*level->table, bf16 ? Element::kBf16 : Element::kF32);

  // The vocabulary is read while the weights are packed.
  auto tokenizer = std::async(std::launch::async, [&checkpoint] { return load_tokenizer(checkpoint); });
  auto model = models::load_classifier(checkpoint, ops, threads);
  auto read_tokenizer = tokenizer.get();  // before any return: it looks at `checkpoint`
  RERANK_ASSIGN(models::LoadedClassifier loaded_model, std::move(model));
  RERANK_ASSIGN(tokenizer::Tokenizer loaded_tokenizer, std::move(read_tokenizer));

  const models::Sizes& sizes = loaded_model.model->sizes();
  ModelInfo info;
  info.name = std::move(name);
  info.architecture = loaded_model.architecture;
  info.method = "cross-encoder";
  info.method_reason = fmt::format("{} with one label", info.architecture);
  info.dtype = bf16 ? "bf16" : "f32";
  info.cpu_level = level->name;
  info.threads = threads;
  info.layers = sizes.layers;
  info.hidden = sizes.hidden;
  info.heads = sizes.heads;
  info.ffn = sizes.ffn;
  info.vocabulary = sizes.vocabulary;
  info.max_positions = sizes.max_positions;
  info.parameters = sizes.parameters;
  info.checkpoint_bytes = checkpoint.store().total_bytes();
  info.packed_bytes = sizes.packed_bytes;
  return std::shared_ptr<const Impl>(std::make_shared<Impl>(std::move(checkpoint), std::move(loaded_tokenizer),
                                                            std::move(loaded_model), std::move(info)));
}

std::vector<Result<scoring::EncodedPair>> Engine::Impl::encode(std::span<const Pair> pairs,
                                                               const scoring::PairEncoder& encoder) const {
  std::vector<Result<scoring::EncodedPair>> encoded(pairs.size(), Result<scoring::EncodedPair>(scoring::EncodedPair{}));
  const std::size_t chunks = (pairs.size() + kPairsPerEncoding - 1) / kPairsPerEncoding;
  workers.run(chunks, [&](std::size_t chunk_idx, kernels::Workspace&) {
    const std::size_t first = chunk_idx * kPairsPerEncoding;
    Result<std::vector<std::int32_t>> query = std::vector<std::int32_t>{};
    for (std::size_t i = first; i < std::min(first + kPairsPerEncoding, pairs.size()); ++i) {
      if (i == first || pairs[i].query != pairs[i - 1].query) query = encoder.encode_query(pairs[i].query);
      if (query.ok()) {
        encoded[i] = encoder.encode(query.value(), pairs[i].passage);
      } else {
        encoded[i] = query.error();
      }
      if (!encoded[i].ok()) encoded[i].error().where = fmt::format("pair {}, {}", i, encoded[i].error().where);
    }
  });
  return encoded;
}

void Engine::Impl::score_batch(std::span<const std::size_t> batch,
                               std::span<const Result<scoring::EncodedPair>> encoded, const ScoreOptions& options,
                               kernels::Workspace& workspace, std::span<Result<Score>> scores) const {
  models::RaggedBatch ragged;
  for (const std::size_t pair_idx : batch)
    ragged.add(encoded[pair_idx].value().ids, encoded[pair_idx].value().type_ids);
  std::vector<float> logits(batch.size());
  Status status = model->forward(ragged, workspace, logits);
  if (!status.ok() && batch.size() > 1) {  // find the pair whose fault it is; the others still get their scores
    for (const std::size_t& pair_idx : batch) score_batch({&pair_idx, 1}, encoded, options, workspace, scores);
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t pair_idx = batch[i];
    const std::string where = fmt::format("pair {}", pair_idx);
    if (!status.ok()) {
      scores[pair_idx] = Error{status.error().code, status.error().what, where, status.error().fix};
    } else if (!std::isfinite(logits[i])) {
      scores[pair_idx] = Error{Error::Code::kCorrupt, fmt::format("the score is {}", logits[i]), where,
                               "the checkpoint's weights are broken, or too large for bf16: try --dtype f32"};
    } else {
      const double logit = logits[i];
      const double value = options.normalize ? 1 / (1 + std::exp(-logit)) : logit;
      const scoring::EncodedPair& pair = encoded[pair_idx].value();
      scores[pair_idx] = Score{value, static_cast<std::uint32_t>(pair.ids.size()), pair.cut_tokens};
    }
  }
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
  RERANK_ASSIGN(const auto encoder, scoring::PairEncoder::make(impl_->tokenizer, options, impl_->info.max_positions));
  const auto encoded = impl_->encode(pairs, encoder);
  std::vector<Result<Score>> scores(pairs.size(), Result<Score>(Score{}));
  std::vector<std::uint32_t> tokens(pairs.size());
  std::size_t done = 0;
  for (std::size_t pair_idx = 0; pair_idx < pairs.size(); ++pair_idx) {
    if (encoded[pair_idx].ok()) {
      tokens[pair_idx] = static_cast<std::uint32_t>(encoded[pair_idx].value().ids.size());
    } else {
      scores[pair_idx] = encoded[pair_idx].error();
      ++done;
    }
  }
  const auto batches = make_micro_batches(tokens, kTokensPerMicroBatch);
  std::mutex progress_mutex;
  impl_->workers.run(batches.size(), [&](std::size_t batch_idx, kernels::Workspace& workspace) {
    impl_->score_batch(batches[batch_idx], encoded, options, workspace, scores);
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(done += batches[batch_idx].size());
  });
  return scores;
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

Result<std::vector<RankedPassage>> Engine::rank(std::string_view query, std::span<const std::string_view> passages,
                                                std::size_t top_n, const ScoreOptions& options) const {
  std::vector<Pair> pairs;
  pairs.reserve(passages.size());
  for (const std::string_view passage : passages) pairs.push_back({query, passage});
  RERANK_ASSIGN(const auto scores, score(pairs, options));
  std::vector<RankedPassage> ranking;
  ranking.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) ranking.push_back({i, scores[i]});
  std::stable_sort(ranking.begin(), ranking.end(),
                   [](const RankedPassage& a, const RankedPassage& b) { return a.score.value > b.score.value; });
  if (top_n > 0 && ranking.size() > top_n) ranking.resize(top_n);
  return ranking;
}

const ModelInfo& Engine::info() const {
  return impl_->info;
}

Engine::Engine(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

}  // namespace rerank
