// LLM rerankers that answer with the first token: one pass a pair, the state of the last token read by a head or by the
// vocabulary.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "engine/causal_call.h"
#include "engine/scorer.h"
#include "models/causal_registry.h"
#include "scoring/cutoff_layers.h"
#include "scoring/method.h"

namespace rerank {

class CausalScorer : public Scorer {
 public:
  using MakeEncoder = std::function<Result<std::unique_ptr<const scoring::PairEncoder>>(const ScoreOptions& options)>;
  // `digits` are the tokens "1" .. "7", for the expectation only. Borrows the workers.
  CausalScorer(scoring::Method method, std::shared_ptr<const models::LoadedDecoder> model, MakeEncoder make_encoder,
               std::vector<std::int32_t> digits, WorkerPool& workers);

  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                const Progress& progress) const override;
  Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs,
                                                  const ScoreOptions& options) const override;
  std::vector<std::string> remarks(const ScoreOptions& options) const override;
  Work work() const override;

 private:
  class Reading;  // of one call

  Result<scoring::CutoffPlan> plan_cutoffs(const ScoreOptions& options) const;
  Result<scoring::CompressionPlan> plan_compression(const ScoreOptions& options,
                                                    const scoring::CutoffPlan& cutoffs) const;
  void count(const models::CausalWork& work, std::span<const Result<scoring::EncodedPair>> encoded) const;

  scoring::Method method_;
  std::shared_ptr<const models::LoadedDecoder> shared_model_;
  const models::LoadedDecoder& model_;
  MakeEncoder make_encoder_;
  std::vector<std::int32_t> digits_;
  WorkerPool& workers_;
  mutable PrefixCache prefixes_;
  mutable std::mutex work_mutex_;
  mutable Work work_;
};

}  // namespace rerank
