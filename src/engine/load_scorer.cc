#include "engine/load_scorer.h"

#include <fmt/format.h>

#include "base/environment.h"
#include "base/try.h"
#include "engine/causal_scorer.h"
#include "engine/cross_encoder_scorer.h"
#include "engine/generating_model.h"
#include "engine/reasoning_scorer.h"
#include "models/causal_registry.h"
#include "models/registry.h"
#include "scoring/answer_tokens.h"
#include "scoring/chat_pairs.h"
#include "scoring/prompted_pairs.h"

namespace rerank {
namespace {

using scoring::Method;

Result<LoadedScorer> load_cross_encoder(const ScorerRequest& request) {
  if (!request.options.adapter.empty())
    return Error{Error::Code::kUnsupported, "cross-encoders take no adapter", "--adapter",
                 "merge it into the checkpoint with PEFT's merge_and_unload"};
  RERANK_ASSIGN(auto model, models::load_classifier(request.checkpoint, request.ops, request.threads, request.cache));
  RERANK_ASSIGN(const tokenizer::Tokenizer* tokenizer, request.tokenizer.get());
  LoadedScorer loaded;
  loaded.architecture = model.architecture;
  loaded.sizes = model.model->sizes();
  loaded.scorer = std::make_unique<const CrossEncoderScorer>(std::move(model.model), *tokenizer, request.workers);
  return loaded;
}

models::Reads reads_of(Method method) {
  if (method == Method::kYesLogit) return models::Reads::kAnswer;
  return method == Method::kExpectation ? models::Reads::kVocabulary : models::Reads::kLayerHeads;
}

// How the method writes its pairs.
Result<CausalScorer::MakeEncoder> encoder_of(const ScorerRequest& request, const tokenizer::Tokenizer& tokenizer,
                                             int max_positions) {
  if (request.method == Method::kExpectation) {
    RERANK_ASSIGN(const auto format,
                  scoring::read_chat_format(request.checkpoint, request.checkpoint.chat_template_jinja()));
    return CausalScorer::MakeEncoder([&tokenizer, format, max_positions](const ScoreOptions& options) {
      return scoring::make_chat_pairs(tokenizer, format, options, max_positions);
    });
  }
  RERANK_ASSIGN(const auto format, scoring::read_prompted_pairs(request.checkpoint, tokenizer, request.method));
  return CausalScorer::MakeEncoder([&tokenizer, format, max_positions](const ScoreOptions& options) {
    return scoring::make_prompted_pairs(tokenizer, format, options, max_positions);
  });
}

Result<LoadedScorer> load_causal(const ScorerRequest& request) {
  RERANK_ASSIGN(const auto adapter, request.open_adapter());
  const auto answer = [&]() -> Result<std::int32_t> {
    RERANK_ASSIGN(const tokenizer::Tokenizer* tokenizer, request.tokenizer.get());
    return scoring::answer_token(*tokenizer, request.options.answer);
  };
  RERANK_ASSIGN(auto decoder, models::load_decoder(request.checkpoint, request.ops,
                                                   {.reads = reads_of(request.method),
                                                    .answer = answer,
                                                    .last_layer = static_cast<std::size_t>(request.options.last_layer),
                                                    .threads = request.threads,
                                                    .adapter = adapter ? &*adapter : nullptr,
                                                    .cache = request.cache}));
  const auto shared = std::make_shared<const models::LoadedDecoder>(std::move(decoder));
  const models::LoadedDecoder& model = *shared;
  RERANK_ASSIGN(const tokenizer::Tokenizer* tokenizer, request.tokenizer.get());
  LoadedScorer loaded;
  loaded.architecture = model.architecture;
  loaded.sizes = model.sizes;
  if (reads_of(request.method) == models::Reads::kLayerHeads)
    for (std::size_t layer = model.cutoffs.first; layer <= model.cutoffs.last; layer += model.cutoffs.step)
      loaded.cutoff_layers.push_back(static_cast<int>(layer));
  RERANK_ASSIGN(auto make_encoder, encoder_of(request, *tokenizer, model.sizes.max_positions));
  std::vector<std::int32_t> digits;
  if (request.method == Method::kExpectation) {
    RERANK_ASSIGN(digits, scoring::digit_tokens(*tokenizer));
    for (const std::int32_t digit : digits)
      RERANK_TRY(models::check_has_row("a digit", digit, static_cast<std::size_t>(model.sizes.vocabulary)));
    RERANK_ASSIGN(loaded.generating, GeneratingModel::share(shared, request));
  }
  loaded.scorer = std::make_unique<const CausalScorer>(request.method, shared, std::move(make_encoder),
                                                       std::move(digits), request.workers);
  return loaded;
}

Result<LoadedScorer> load_reasoning(const ScorerRequest& request) {
  RERANK_ASSIGN(std::shared_ptr<GeneratingModel> model, GeneratingModel::load(request));
  const models::LoadedDecoder& decoder = model->decoder();
  LoadedScorer loaded;
  loaded.architecture = decoder.architecture;
  loaded.sizes = decoder.sizes;
  loaded.generating = model;
  ReasoningModel reasoning;
  reasoning.generate = [model](auto requests, const auto& hooks) {
    return model->generator().generate(requests, hooks);
  };
  reasoning.counts = [model] { return model->generator().counts(); };
  reasoning.flops_of_sequence = [model](std::size_t tokens) {
    return model->decoder().decoder->flops_of_sequence(tokens);
  };
  RERANK_ASSIGN(reasoning.verdicts, scoring::verdict_tokens(model->tokenizer()));
  reasoning.max_positions = decoder.sizes.max_positions;
  loaded.scorer = std::make_unique<const ReasoningScorer>(std::move(reasoning), model->tokenizer(), request.workers);
  return loaded;
}

}  // namespace

BackgroundTokenizer::BackgroundTokenizer(const io::Checkpoint& checkpoint)
    : tokenizer_(std::async(std::launch::async, [&checkpoint]() -> Result<tokenizer::Tokenizer> {
        RERANK_ASSIGN(const std::string_view json, checkpoint.tokenizer_json());
        return tokenizer::Tokenizer::parse(json, "tokenizer.json");
      })) {}

Result<const tokenizer::Tokenizer*> BackgroundTokenizer::get() const {
  const Result<tokenizer::Tokenizer>& tokenizer = tokenizer_.get();
  if (!tokenizer.ok()) return tokenizer.error();
  return &tokenizer.value();
}

Result<std::optional<models::LoraAdapter>> ScorerRequest::open_adapter() const {
  if (options.adapter.empty()) return std::optional<models::LoraAdapter>();
  RERANK_ASSIGN(auto adapter, models::LoraAdapter::open(options.adapter));
  return std::optional<models::LoraAdapter>(std::move(adapter));
}

Result<LoadedScorer> load_scorer(const ScorerRequest& request) {
  switch (request.method) {
    case Method::kCrossEncoder:
      return load_cross_encoder(request);
    case Method::kYesLogit:
    case Method::kLayerwise:
    case Method::kLightweight:
    case Method::kExpectation:
      return load_causal(request);
    case Method::kReasoning:
      return load_reasoning(request);
  }
  return Error{Error::Code::kInternal, "there is no such method", "", ""};
}

std::unique_ptr<models::WeightCache> open_weight_cache(const io::Checkpoint& checkpoint, const ChosenOps& chosen,
                                                       std::string_view purpose, const EngineOptions& options) {
  const std::string folder = options.weight_cache.empty() ? environment("RERANK_WEIGHT_CACHE") : options.weight_cache;
  if (folder.empty() || !options.adapter.empty()) return nullptr;
  // The embedded model is no folder, and small.
  if (checkpoint.store().size() == 0 || checkpoint.store().tensors().front().file == nullptr) return nullptr;
  const std::string how = fmt::format("{}, {}, {}", chosen.dtype, purpose, options.last_layer);
  return std::make_unique<models::WeightCache>(folder, checkpoint, how, chosen.threads);
}

}  // namespace rerank
