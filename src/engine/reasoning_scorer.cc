#include "engine/reasoning_scorer.h"

#include <cmath>
#include <optional>

#include "base/try.h"
#include "engine/pair_encoding.h"
#include "scoring/reasoning_prompt.h"

namespace rerank {

using scoring::ReasoningPrompt;

// Every pair goes through generation; those whose text gives no score are then asked for a forced verdict together.
class ReasoningScorer::Call {
 public:
  Call(const ReasoningScorer& scorer, const scoring::ReasoningPrompts& prompts, const ScoreOptions& options,
       const Progress& progress)
      : scorer_(scorer), prompts_(prompts), options_(options), progress_(progress) {}

  std::vector<Result<Score>> run(std::span<const Pair> pairs) {
    scores_.resize(pairs.size());
    encode(pairs);
    generate();
    force_verdicts();
    std::vector<Result<Score>> scores;
    scores.reserve(scores_.size());
    for (auto& score : scores_) scores.push_back(std::move(*score));
    return scores;
  }

 private:
  struct Unjudged {
    std::size_t pair_idx;
    Score score;  // all but the value
  };

  void encode(std::span<const Pair> pairs) {
    written_.assign(pairs.size(), Result<ReasoningPrompt>(ReasoningPrompt{}));
    scorer_.workers_.run(pairs.size(), [&](std::size_t i, kernels::Workspace&) {
      written_[i] = prompts_.encode(pairs[i].query, pairs[i].passage);
    });
    for (std::size_t i = 0; i < pairs.size(); ++i)
      if (!written_[i].ok()) {
        Error error = written_[i].error();
        error.where = "pair " + std::to_string(i) + ", " + error.where;
        settle(i, std::move(error));
      }
  }

  GenerationRequest request(std::vector<std::int32_t> ids, std::size_t max_new_tokens) const {
    GenerationRequest request;
    request.prompt = std::move(ids);
    request.max_new_tokens = max_new_tokens;
    request.stop_strings.assign(scoring::kVerdicts.begin(), scoring::kVerdicts.end());
    request.watched = {scorer_.model_.verdicts.yes, scorer_.model_.verdicts.no};
    return request;
  }

  void generate() {
    std::vector<GenerationRequest> requests;
    std::vector<std::size_t> pair_of;
    for (std::size_t i = 0; i < written_.size(); ++i) {
      if (!written_[i].ok()) continue;
      requests.push_back(request(written_[i].value().ids, prompts_.max_new_tokens()));
      pair_of.push_back(i);
    }
    run(requests, false, [&](std::size_t i, const Result<Generation>& generation) { take(pair_of[i], generation); });
  }

  // take(i, generation) comes once for each request: as soon as it is known, and for what a stopped call left at the
  // end.
  template <class Take>
  void run(std::span<const GenerationRequest> requests, bool to_the_end, const Take& take) {
    std::vector<bool> taken(requests.size());
    const auto results = scorer_.model_.generate(requests, [&](std::size_t i, const Result<Generation>& generation) {
      taken[i] = true;
      take(i, generation);
      return to_the_end || !stopped_;
    });
    for (std::size_t i = 0; i < results.size(); ++i)
      if (!taken[i]) take(i, results[i]);
  }

  void take(std::size_t pair_idx, const Result<Generation>& result) {
    if (!result.ok()) {
      settle(pair_idx, at_pair(pair_idx, result.error()));
      return;
    }
    const Generation& generation = result.value();
    const ReasoningPrompt& prompt = written_[pair_idx].value();
    scorer_.count(prompt.ids.size(), generation.steps.size());
    Score score;
    score.tokens = static_cast<std::uint32_t>(prompt.ids.size());
    score.cut_tokens = prompt.cut_tokens;
    score.reasoning = generation.text;
    score.new_tokens = static_cast<std::uint32_t>(generation.steps.size());
    score.finished = generation.finish == Generation::Finish::kStop;
    if (is_read_at_last_token(generation)) {
      settle_with(pair_idx, std::move(score), generation.steps.back());
    } else if (options_.verdict == Verdict::kCard && !is_out_of_budget(generation)) {
      settle(pair_idx, Error{Error::Code::kBadInput,
                             "\" true\" or \" false\" is not among the 20 likeliest tokens where the text ends",
                             "pair " + std::to_string(pair_idx), "--verdict forced gives such a pair a score"});
    } else {
      unjudged_.push_back({pair_idx, std::move(score)});
    }
  }

  bool is_out_of_budget(const Generation& generation) const {
    return prompts_.budget_ends_it() && generation.finish == Generation::Finish::kLength;
  }

  bool is_read_at_last_token(const Generation& generation) const {
    if (generation.steps.empty() || is_out_of_budget(generation)) return false;
    const GenerationStep& last = generation.steps.back();
    const scoring::VerdictTokens& verdicts = scorer_.model_.verdicts;
    if (options_.verdict == Verdict::kForced)
      // The text may also have been spelled by other tokens, at which the two say nothing.
      return generation.finish == Generation::Finish::kStop &&
             (last.token == verdicts.yes || last.token == verdicts.no);
    return last.watched_rank[0] < scoring::kVisibleLogprobs && last.watched_rank[1] < scoring::kVisibleLogprobs;
  }

  // What was generated when the call was stopped still gets its verdict: that takes moments.
  void force_verdicts() {
    const bool was_stopped = stopped_;
    std::vector<Result<std::vector<std::int32_t>>> ids(unjudged_.size(), std::vector<std::int32_t>());
    scorer_.workers_.run(unjudged_.size(), [&](std::size_t i, kernels::Workspace&) {
      const auto& [pair_idx, score] = unjudged_[i];
      ids[i] = prompts_.encode_forced(written_[pair_idx].value(), score.reasoning);
    });
    std::vector<GenerationRequest> requests;
    std::vector<std::size_t> unjudged_of;
    for (std::size_t i = 0; i < unjudged_.size(); ++i) {
      if (ids[i].ok()) {
        requests.push_back(request(std::move(ids[i]).value(), 0));
        unjudged_of.push_back(i);
      } else {
        settle(unjudged_[i].pair_idx, at_pair(unjudged_[i].pair_idx, ids[i].error()));
      }
    }
    run(requests, was_stopped, [&](std::size_t i, const Result<Generation>& generation) {
      auto& [pair_idx, score] = unjudged_[unjudged_of[i]];
      if (generation.ok()) {
        settle_with(pair_idx, std::move(score), generation.value().next);
      } else {
        settle(pair_idx, at_pair(pair_idx, generation.error()));
      }
    });
  }

  void settle_with(std::size_t pair_idx, Score score, const GenerationStep& step) {
    score.value = scoring::verdict_score(step.watched[0], step.watched[1]);
    if (std::isfinite(score.value)) {
      settle(pair_idx, std::move(score));
    } else {
      settle(pair_idx, not_finite(pair_idx, score.value));
    }
  }

  void settle(std::size_t pair_idx, Result<Score> score) {
    scores_[pair_idx] = std::move(score);
    if (stopped_) return;  // the caller wants to hear no more
    if (options_.on_score && !options_.on_score(pair_idx, *scores_[pair_idx])) stopped_ = true;
    ++done_;
    if (progress_) progress_(done_);
  }

  const ReasoningScorer& scorer_;
  const scoring::ReasoningPrompts& prompts_;
  const ScoreOptions& options_;
  const Progress& progress_;
  std::vector<Result<ReasoningPrompt>> written_;      // [pairs]
  std::vector<std::optional<Result<Score>>> scores_;  // [pairs]
  std::vector<Unjudged> unjudged_;
  std::size_t done_ = 0;
  bool stopped_ = false;
};

ReasoningScorer::ReasoningScorer(ReasoningModel model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers)
    : model_(std::move(model)), tokenizer_(tokenizer), workers_(workers) {}

Result<std::vector<Result<Score>>> ReasoningScorer::score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                               const Progress& progress) const {
  RERANK_ASSIGN(const auto prompts, scoring::ReasoningPrompts::make(tokenizer_, options, model_.max_positions));
  return Call(*this, prompts, options, progress).run(pairs);
}

std::vector<std::string> ReasoningScorer::remarks(const ScoreOptions& options) const {
  std::vector<std::string> remarks;
  if (!options.cutoff_layers.empty())
    remarks.push_back("this method scores with the last layer: the cutoff layers given are not used");
  if (options.compress_ratio != 1)
    remarks.push_back("only lightweight models compress tokens: the ratio given is not used");
  return remarks;
}

void ReasoningScorer::count(std::size_t prompt_tokens, std::size_t new_tokens) const {
  const double flops = model_.flops_of_sequence(prompt_tokens + new_tokens);
  const std::lock_guard lock(work_mutex_);
  work_.tokens_given += prompt_tokens + new_tokens;
  work_.new_tokens += new_tokens;
  work_.flops_given += flops;
}

Work ReasoningScorer::work() const {
  const models::CausalWork computed = model_.work();
  const std::lock_guard lock(work_mutex_);
  Work work = work_;
  work.tokens_computed = computed.tokens;
  work.flops = computed.flops;
  return work;
}

}  // namespace rerank
