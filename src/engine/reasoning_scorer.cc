#include "engine/reasoning_scorer.h"

#include <cmath>
#include <optional>

#include "base/try.h"
#include "engine/decode_text.h"
#include "engine/pair_encoding.h"
#include "scoring/reasoning_prompt.h"

namespace rerank {

using scoring::ReasoningPrompt;

// Every pair goes through generation. Where its text gives no score, or has to be thought over, another prompt follows
// at once in its place.
class ReasoningScorer::Call {
 public:
  Call(const ReasoningScorer& scorer, const scoring::ReasoningPrompts& prompts, const ScoreOptions& options,
       const Progress& progress)
      : scorer_(scorer), prompts_(prompts), options_(options), progress_(progress) {}

  std::vector<Result<Score>> run(std::span<const Pair> pairs) {
    const Error stopped = rerank::stopped();
    encode(pairs);
    for (std::size_t i = 0; i < pairs.size(); ++i) scores_.push_back(at_pair(i, stopped));
    generate();
    return std::move(scores_);
  }

 private:
  // What is known of a pair.
  struct Thoughts {
    ReasoningPrompt prompt;
    Score score = {};  // without the value
    int rethought = 0;
    std::size_t tokens_asked = 0;                // of the prompt that is on its way
    bool is_forced = false;                      // the verdict is asked for
    std::optional<GenerationStep> verdict = {};  // where it is read
    std::optional<TextStream> stream = {};       // what is being written, if the caller wants to hear it
    std::optional<Error> error = {};
  };

  void encode(std::span<const Pair> pairs) {
    thoughts_.resize(pairs.size());
    scorer_.workers_.run(pairs.size(), [&](std::size_t i, kernels::Workspace&) {
      auto prompt = prompts_.encode(pairs[i].query, pairs[i].passage);
      Thoughts& thoughts = thoughts_[i];
      if (!prompt.ok()) {
        thoughts.error = std::move(prompt.error());
        return;
      }
      thoughts.prompt = std::move(prompt).value();
      thoughts.tokens_asked = thoughts.prompt.ids.size();
      thoughts.score.tokens = static_cast<std::uint32_t>(thoughts.prompt.ids.size());
      thoughts.score.cut_tokens = thoughts.prompt.cut_tokens;
    });
  }

  // The caller may have heard enough before all are done.
  void generate() {
    std::vector<GenerationRequest> requests;
    std::vector<std::size_t> pair_of;
    for (std::size_t i = 0; i < thoughts_.size() && !stopped_; ++i) {
      if (thoughts_[i].error) {
        settle(i);
      } else {
        requests.push_back(request(thoughts_[i].prompt.ids, prompts_.max_new_tokens()));
        pair_of.push_back(i);
      }
    }
    if (stopped_) return;
    GenerationHooks hooks;
    hooks.on_tokens = options_.on_tokens;
    if (options_.on_reasoning)
      hooks.on_step = [&](std::size_t i, const GenerationStep& step) {
        std::optional<TextStream>& stream = thoughts_[pair_of[i]].stream;
        if (!stream) stream.emplace(scorer_.tokenizer_, verdict_texts(), false);
        tell(pair_of[i], stream->add(step.token));
        return !stopped_;
      };
    hooks.follow = [&](std::size_t i, const Generation& generation) { return take(pair_of[i], generation); };
    hooks.on_done = [&](std::size_t i, const Result<Generation>& generation) {
      if (!generation.ok()) thoughts_[pair_of[i]].error = generation.error();
      settle(pair_of[i]);
      return !stopped_;
    };
    scorer_.model_.generate(requests, hooks);
  }

  GenerationRequest request(std::vector<std::int32_t> ids, std::size_t max_new_tokens) const {
    GenerationRequest request;
    request.prompt = std::move(ids);
    request.max_new_tokens = max_new_tokens;
    request.watched = {scorer_.model_.verdicts.yes, scorer_.model_.verdicts.no};
    request.may_be_followed = true;
    request.ignore_end_of_text = options_.ignore_stop;
    request.tell_steps = static_cast<bool>(options_.on_reasoning);
    request.stop_strings = verdict_texts();
    return request;
  }

  std::vector<std::string> verdict_texts() const {
    if (options_.ignore_stop) return {};
    return {scoring::kVerdicts.begin(), scoring::kVerdicts.end()};
  }

  void tell(std::size_t pair_idx, const std::string& text) {
    if (!text.empty() && options_.on_reasoning && !options_.on_reasoning(pair_idx, text)) stopped_ = true;
  }

  // Reads what was written; what to go on with, if that does not settle the pair.
  std::optional<GenerationRequest> take(std::size_t pair_idx, const Generation& generation) {
    Thoughts& thoughts = thoughts_[pair_idx];
    scorer_.count_flops(thoughts.tokens_asked + generation.steps.size());
    if (thoughts.is_forced) {
      thoughts.verdict = generation.next;
      return std::nullopt;
    }
    if (thoughts.stream) tell(pair_idx, thoughts.stream->finish(generation.text));
    thoughts.stream.reset();
    thoughts.score.reasoning += generation.text;
    thoughts.score.new_tokens += static_cast<std::uint32_t>(generation.steps.size());
    thoughts.score.finished = generation.finish == Generation::Finish::kStop;
    if (thoughts.score.finished && thoughts.rethought < options_.rethink) {
      if (auto again = rethink(thoughts)) return again;
    }
    if (is_read_at_last_token(generation)) {
      thoughts.verdict = generation.steps.back();
      return std::nullopt;
    }
    if (options_.verdict == Verdict::kCard && !is_out_of_budget(generation)) {
      thoughts.error = Error{Error::Code::kBadInput,
                             "\" true\" or \" false\" is not among the 20 likeliest tokens where the text ends", "",
                             "--verdict forced gives such a pair a score"};
      return std::nullopt;
    }
    return force(thoughts);
  }

  std::optional<GenerationRequest> rethink(Thoughts& thoughts) const {
    std::string reasoning = scoring::with_second_thoughts(thoughts.score.reasoning);
    auto ids = prompts_.encode_rethink(thoughts.prompt, reasoning);
    if (!ids.ok()) {
      thoughts.error = ids.error();
      return std::nullopt;
    }
    if (!ids.value()) return std::nullopt;
    const std::size_t room = prompts_.room_behind(thoughts.prompt, *ids.value());
    thoughts.score.reasoning = std::move(reasoning);
    ++thoughts.rethought;
    thoughts.tokens_asked = ids.value()->size();
    return request(std::move(*ids.value()), room);
  }

  std::optional<GenerationRequest> force(Thoughts& thoughts) const {
    auto ids = prompts_.encode_forced(thoughts.prompt, thoughts.score.reasoning);
    if (!ids.ok()) {
      thoughts.error = ids.error();
      return std::nullopt;
    }
    thoughts.is_forced = true;
    thoughts.tokens_asked = ids.value().size();
    return request(std::move(ids).value(), 0);
  }

  bool is_out_of_budget(const Generation& generation) const {
    return options_.ignore_stop || (prompts_.budget_ends_it() && generation.finish == Generation::Finish::kLength);
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

  // The pair's score, or its error.
  void settle(std::size_t pair_idx) {
    Thoughts& thoughts = thoughts_[pair_idx];
    Score score = std::move(thoughts.score);
    if (thoughts.verdict)
      score.value = scoring::verdict_score(thoughts.verdict->watched[0], thoughts.verdict->watched[1]);
    scorer_.count(thoughts.prompt.ids.size(), score.new_tokens);
    if (thoughts.error) {
      const std::string part = thoughts.error->where.empty() ? "" : ", " + thoughts.error->where;
      scores_[pair_idx] = at_pair(pair_idx, *thoughts.error);
      scores_[pair_idx].error().where += part;
    } else if (!std::isfinite(score.value)) {
      scores_[pair_idx] = not_finite(pair_idx, score.value);
    } else {
      scores_[pair_idx] = std::move(score);
    }
    thoughts = {};
    if (options_.on_score && !options_.on_score(pair_idx, scores_[pair_idx])) stopped_ = true;
    ++done_;
    if (progress_) progress_(done_);
  }

  const ReasoningScorer& scorer_;
  const scoring::ReasoningPrompts& prompts_;
  const ScoreOptions& options_;
  const Progress& progress_;
  std::vector<Thoughts> thoughts_;     // [pairs]
  std::vector<Result<Score>> scores_;  // [pairs]
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

Result<std::vector<Result<PairTokens>>> ReasoningScorer::measure(std::span<const Pair> pairs,
                                                                 const ScoreOptions& options) const {
  RERANK_ASSIGN(const auto prompts, scoring::ReasoningPrompts::make(tokenizer_, options, model_.max_positions));
  std::vector<Result<PairTokens>> lengths(pairs.size(), Result<PairTokens>(PairTokens{}));
  workers_.run(pairs.size(), [&](std::size_t i, kernels::Workspace&) {
    const auto prompt = prompts.encode(pairs[i].query, pairs[i].passage);
    if (prompt.ok()) {
      lengths[i] = PairTokens{static_cast<std::uint32_t>(prompt.value().ids.size()), prompt.value().cut_tokens};
    } else {
      lengths[i] = at_pair(i, prompt.error());
    }
  });
  return lengths;
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
  const std::lock_guard lock(work_mutex_);
  work_.tokens_given += prompt_tokens + new_tokens;
  work_.new_tokens += new_tokens;
}

void ReasoningScorer::count_flops(std::size_t tokens) const {
  const double flops = model_.flops_of_sequence(tokens);
  const std::lock_guard lock(work_mutex_);
  work_.flops_given += flops;
}

Work ReasoningScorer::work() const {
  const GeneratorCounts counts = model_.counts();
  const std::lock_guard lock(work_mutex_);
  Work work = work_;
  work.tokens_computed = counts.work.tokens;
  work.flops = counts.work.flops;
  work.passes = counts.passes;
  work.kv_bytes_read = counts.kv_bytes_read;
  work.shared_tokens = counts.shared_tokens;
  work.preemptions = counts.preemptions;
  return work;
}

}  // namespace rerank
