// A causal language model that is loaded to write text.
#pragma once

#include <memory>

#include "engine/generator.h"
#include "engine/load_scorer.h"
#include "models/causal_registry.h"

namespace rerank {

class GeneratingModel {
 public:
  // Borrows checkpoint, tokenizer and workers of the request; its method plays no part.
  static Result<std::unique_ptr<GeneratingModel>> load(const ScorerRequest& request);
  // From a decoder that reads the vocabulary and is there already.
  static Result<std::unique_ptr<GeneratingModel>> share(std::shared_ptr<const models::LoadedDecoder> decoder,
                                                        const ScorerRequest& request);

  const models::LoadedDecoder& decoder() const { return *decoder_; }
  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }

  Generator& generator() { return generator_; }

 private:
  GeneratingModel(std::shared_ptr<const models::LoadedDecoder> decoder, const tokenizer::Tokenizer& tokenizer,
                  WorkerPool& workers, GeneratorOptions options);

  std::shared_ptr<const models::LoadedDecoder> decoder_;
  const tokenizer::Tokenizer& tokenizer_;
  Generator generator_;
};

}  // namespace rerank
