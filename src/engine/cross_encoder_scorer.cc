#include "engine/cross_encoder_scorer.h"

#include <cmath>

#include "base/try.h"
#include "engine/micro_batches.h"
#include "engine/pair_encoding.h"
#include "models/encoder_flops.h"

namespace rerank {

void CrossEncoderScorer::score_batch(std::span<const std::size_t> batch,
                                     std::span<const Result<scoring::EncodedPair>> encoded, const ScoreOptions& options,
                                     kernels::Workspace& workspace, Team* team, std::span<Result<Score>> scores) const {
  models::RaggedBatch ragged;
  for (const std::size_t pair_idx : batch)
    ragged.add(encoded[pair_idx].value().ids, encoded[pair_idx].value().type_ids);
  std::vector<float> logits(batch.size());
  const Status status = model_->forward(ragged, workspace, logits, nullptr, team);
  if (!status.ok() && batch.size() > 1) {  // find the pair whose fault it is; the others still get their scores
    for (const std::size_t& pair_idx : batch) score_batch({&pair_idx, 1}, encoded, options, workspace, team, scores);
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t pair_idx = batch[i];
    const double logit = logits[i];
    if (!status.ok()) {
      scores[pair_idx] = at_pair(pair_idx, status.error());
    } else if (!std::isfinite(logit)) {
      scores[pair_idx] = not_finite(pair_idx, logit);
    } else {
      const scoring::EncodedPair& pair = encoded[pair_idx].value();
      scores[pair_idx] = Score{options.normalize ? sigmoid(logit) : logit, static_cast<std::uint32_t>(pair.ids.size()),
                               pair.cut_tokens};
    }
  }
  const std::lock_guard lock(work_mutex_);
  work_.tokens_given += ragged.tokens();
  work_.tokens_computed += ragged.tokens();
  for (const std::size_t pair_idx : batch) {
    const std::size_t pair_tokens = encoded[pair_idx].value().ids.size();
    work_.flops += models::encoder_flops(model_->sizes(), pair_tokens);
    work_.flops_given += models::encoder_flops_given(model_->sizes(), pair_tokens);
  }
}

Result<std::vector<Result<Score>>> CrossEncoderScorer::score_each(std::span<const Pair> pairs,
                                                                  const ScoreOptions& options,
                                                                  const Progress& progress) const {
  RERANK_ASSIGN(const auto encoder,
                scoring::make_cross_encoder_pairs(tokenizer_, options, model_->sizes().max_positions));
  const auto encoded = encode_pairs(pairs, *encoder, workers_, options.stop);
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
  const auto batches = make_micro_batches(tokens, kTokensPerMicroBatch, workers_.size());
  std::mutex progress_mutex;
  workers_.run_in_teams(batches.size(), [&](std::size_t batch_idx, kernels::Workspace& workspace, Team* team) {
    if (options.stop.stop_requested()) {
      for (const std::size_t pair_idx : batches[batch_idx]) scores[pair_idx] = at_pair(pair_idx, stopped());
      return;
    }
    score_batch(batches[batch_idx], encoded, options, workspace, team, scores);
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(done += batches[batch_idx].size());
  });
  return scores;
}

Result<std::vector<Result<PairTokens>>> CrossEncoderScorer::measure(std::span<const Pair> pairs,
                                                                    const ScoreOptions& options) const {
  RERANK_ASSIGN(const auto encoder,
                scoring::make_cross_encoder_pairs(tokenizer_, options, model_->sizes().max_positions));
  return lengths_of(encode_pairs(pairs, *encoder, workers_, options.stop));
}

std::vector<std::string> CrossEncoderScorer::remarks(const ScoreOptions& options) const {
  std::vector<std::string> remarks;
  if (options.prompt) remarks.push_back("a cross-encoder has no prompt: the one given is not used");
  if (!options.cutoff_layers.empty())
    remarks.push_back("a cross-encoder scores with its last layer: the cutoff layers given are not used");
  if (options.compress_ratio != 1) remarks.push_back("a cross-encoder does not compress tokens");
  return remarks;
}

Work CrossEncoderScorer::work() const {
  const std::lock_guard lock(work_mutex_);
  return work_;
}

}  // namespace rerank
