// Cross-encoders: one forward pass a pair, one logit out.
#pragma once

#include <memory>
#include <mutex>

#include "engine/scorer.h"
#include "engine/worker_pool.h"
#include "models/sequence_classifier.h"
#include "scoring/pair_encoder.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

class CrossEncoderScorer : public Scorer {
 public:
  // Borrows tokenizer and workers.
  CrossEncoderScorer(std::unique_ptr<const models::SequenceClassifier> model, const tokenizer::Tokenizer& tokenizer,
                     WorkerPool& workers)
      : model_(std::move(model)), tokenizer_(tokenizer), workers_(workers) {}

  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                const Progress& progress) const override;
  Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs,
                                                  const ScoreOptions& options) const override;
  std::vector<std::string> remarks(const ScoreOptions& options) const override;
  Work work() const override;

 private:
  void score_batch(std::span<const std::size_t> batch, std::span<const Result<scoring::EncodedPair>> encoded,
                   const ScoreOptions& options, kernels::Workspace& workspace, Team* team,
                   std::span<Result<Score>> scores) const;

  std::unique_ptr<const models::SequenceClassifier> model_;
  const tokenizer::Tokenizer& tokenizer_;
  WorkerPool& workers_;
  mutable std::mutex work_mutex_;
  mutable Work work_;
};

}  // namespace rerank
