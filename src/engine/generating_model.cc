#include "engine/generating_model.h"

#include "base/try.h"
#include "scoring/end_of_text.h"

namespace rerank {

GeneratingModel::GeneratingModel(std::shared_ptr<const models::LoadedDecoder> decoder,
                                 const tokenizer::Tokenizer& tokenizer, WorkerPool& workers, GeneratorOptions options)
    : decoder_(std::move(decoder)),
      tokenizer_(tokenizer),
      generator_(*decoder_, tokenizer_, workers, std::move(options)) {}

Result<std::unique_ptr<GeneratingModel>> GeneratingModel::load(const ScorerRequest& request) {
  RERANK_ASSIGN(const auto adapter, request.open_adapter());
  RERANK_ASSIGN(auto decoder, models::load_decoder(request.checkpoint, request.ops,
                                                   {.reads = models::Reads::kVocabulary,
                                                    .threads = request.threads,
                                                    .adapter = adapter ? &*adapter : nullptr,
                                                    .cache = request.cache}));
  return share(std::make_shared<const models::LoadedDecoder>(std::move(decoder)), request);
}

Result<std::unique_ptr<GeneratingModel>> GeneratingModel::share(std::shared_ptr<const models::LoadedDecoder> decoder,
                                                                const ScorerRequest& request) {
  RERANK_ASSIGN(const tokenizer::Tokenizer* tokenizer, request.tokenizer.get());
  GeneratorOptions options{.kv_bytes = request.options.kv_bytes, .end_of_text = {}};
  RERANK_ASSIGN(options.end_of_text,
                scoring::read_end_of_text(request.checkpoint, static_cast<std::size_t>(decoder->sizes.vocabulary)));
  return std::unique_ptr<GeneratingModel>(
      new GeneratingModel(std::move(decoder), *tokenizer, request.workers, std::move(options)));
}

}  // namespace rerank
