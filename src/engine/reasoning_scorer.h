// LLM rerankers that think before they answer: the model writes its reasoning and then true or false, and how sure it
// was of true is the score.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "engine/generator.h"
#include "engine/scorer.h"
#include "scoring/reasoning_verdict.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

// What a reasoning scorer needs of a model.
struct ReasoningModel {
  // As Generator::generate: called from any number of threads, and tells of results on the thread that called it.
  std::function<std::vector<Result<Generation>>(std::span<const GenerationRequest> requests,
                                                const GenerationHooks& hooks)>
      generate;
  std::function<GeneratorCounts()> counts;  // what it has done so far
  std::function<double(std::size_t tokens)> flops_of_sequence;
  scoring::VerdictTokens verdicts;
  int max_positions = 0;
};

class ReasoningScorer : public Scorer {
 public:
  // Borrows tokenizer and workers.
  ReasoningScorer(ReasoningModel model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers);

  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                const Progress& progress) const override;
  Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs,
                                                  const ScoreOptions& options) const override;
  std::vector<std::string> remarks(const ScoreOptions& options) const override;
  Work work() const override;

 private:
  class Call;  // one call's pairs

  void count(std::size_t prompt_tokens, std::size_t new_tokens) const;
  void count_flops(std::size_t tokens) const;  // of a prompt and what came behind it

  ReasoningModel model_;
  const tokenizer::Tokenizer& tokenizer_;
  WorkerPool& workers_;
  mutable std::mutex work_mutex_;
  mutable Work work_;  // but for what the model counts
};

}  // namespace rerank
