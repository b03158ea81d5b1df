#include "engine/causal_scorer.h"

#include <algorithm>
#include <cmath>

#include "base/try.h"
#include "engine/pair_encoding.h"

namespace rerank {
namespace {

using models::Vocabulary;
using scoring::Method;

// Prefixes that stay between calls.
constexpr std::size_t kPrefixBytes = std::size_t{256} << 20;
// Pairs whose states go through the vocabulary together: its matrix is read from memory once for all of them.
constexpr std::size_t kPairsPerReading = 64;

// p(1) .. p(7) as one number.
double read_digits(std::span<const Vocabulary::Reading> digits, const ScoreOptions& options) {
  double expected = 0, high = 0, low = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool counts = options.top_logprobs == 0 || digits[i].rank < static_cast<std::size_t>(options.top_logprobs);
    const double p = counts ? std::exp(digits[i].log_probability) : 0;
    expected += static_cast<double>(i + 1) * p;
    if (i >= 3) high += p / 4;
    if (i <= 3) low += p / 4;
  }
  return options.readout == rerank::Readout::kExpectedValue ? expected : high - low;
}

double normalize_digits(double value, const ScoreOptions& options) {
  return options.readout == rerank::Readout::kExpectedValue ? (value - 1) / 6 : (value + 1) / 2;
}

}  // namespace

// What becomes of the states of one call's pairs.
class CausalScorer::Reading {
 public:
  Reading(const CausalScorer& scorer, const ScoreOptions& options, const scoring::CutoffPlan& cutoffs,
          std::span<const Result<scoring::EncodedPair>> encoded, std::span<Result<Score>> scores,
          const Progress& progress, std::size_t done)
      : scorer_(scorer),
        options_(options),
        cutoffs_(cutoffs),
        encoded_(encoded),
        scores_(scores),
        progress_(progress),
        done_(done) {
    if (scorer.model_.vocabulary) states_.resize(encoded.size());
  }

  void take(std::span<const std::size_t> batch, const Status& status, std::span<const float> states,
            kernels::Workspace& workspace) {
    if (!status.ok()) {
      for (const std::size_t pair_idx : batch) scores_[pair_idx] = at_pair(pair_idx, status.error());
    } else if (scorer_.model_.vocabulary) {
      keep_states(batch, states);
    } else {
      read_heads(batch, states, workspace);
    }
    if (!progress_) return;
    const std::lock_guard lock(progress_mutex_);
    progress_(done_ += batch.size());
  }

  // The vocabulary, after all pairs: their order does not matter, and its matrix is read as seldom as can be.
  void read_vocabulary() {
    std::vector<std::size_t> pairs;
    for (std::size_t pair_idx = 0; pair_idx < states_.size(); ++pair_idx)
      if (!states_[pair_idx].empty()) pairs.push_back(pair_idx);
    const std::size_t blocks = (pairs.size() + kPairsPerReading - 1) / kPairsPerReading;
    scorer_.workers_.run_in_teams(blocks, [&](std::size_t block, kernels::Workspace& workspace, Team* team) {
      const std::size_t first = block * kPairsPerReading;
      read_block(std::span(pairs).subspan(first, std::min(kPairsPerReading, pairs.size() - first)), workspace, team);
    });
  }

 private:
  void keep_states(std::span<const std::size_t> batch, std::span<const float> states) {
    const std::size_t hidden = states.size() / batch.size();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto row = states.subspan(i * hidden, hidden);
      states_[batch[i]].assign(row.begin(), row.end());
    }
  }

  void read_heads(std::span<const std::size_t> batch, std::span<const float> states, kernels::Workspace& workspace) {
    const models::LoadedDecoder& model = scorer_.model_;
    const std::size_t rows = states.size() / cutoffs_.layers.size();
    std::vector<float> logits(cutoffs_.layers.size() * batch.size());
    for (std::size_t k = 0; k < cutoffs_.layers.size(); ++k) {
      const Status read = model.heads->read(states.subspan(k * rows, rows), head_of(k), model.decoder->ops(), workspace,
                                            std::span(logits).subspan(k * batch.size(), batch.size()));
      if (read.ok()) continue;
      for (const std::size_t pair_idx : batch) scores_[pair_idx] = at_pair(pair_idx, read.error());
      return;
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::vector<double> values;
      for (std::size_t k = 0; k < cutoffs_.layers.size(); ++k) {
        const double logit = logits[k * batch.size() + i];
        values.push_back(options_.normalize && std::isfinite(logit) ? sigmoid(logit) : logit);
      }
      set_score(batch[i], values);
    }
  }

  // The head that reads the k-th cutoff layer.
  std::size_t head_of(std::size_t k) const {
    if (scorer_.method_ == Method::kYesLogit) return 0;
    if (scorer_.method_ == Method::kLightweight && options_.heads == Heads::kByPosition) return k;
    const models::CutoffRange& range = scorer_.model_.cutoffs;
    return (cutoffs_.layers[k] - range.first) / range.step;
  }

  void read_block(std::span<const std::size_t> pairs, kernels::Workspace& workspace, Team* team) {
    const models::LoadedDecoder& model = scorer_.model_;
    std::vector<float> states;
    for (const std::size_t pair_idx : pairs)
      states.insert(states.end(), states_[pair_idx].begin(), states_[pair_idx].end());
    std::vector<Vocabulary::Reading> readings(pairs.size() * scorer_.digits_.size());
    const Status read = options_.stop.stop_requested()
                            ? Status(stopped())
                            : model.vocabulary->read(states, scorer_.digits_, options_.top_logprobs > 0,
                                                     model.decoder->ops().on(team), workspace, readings);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (!read.ok()) {
        scores_[pairs[i]] = at_pair(pairs[i], read.error());
        continue;
      }
      const auto digits = std::span(readings).subspan(i * scorer_.digits_.size(), scorer_.digits_.size());
      const double value = read_digits(digits, options_);
      set_score(pairs[i], {options_.normalize ? normalize_digits(value, options_) : value});
    }
  }

  // `values` are those of the cutoff layers, rising.
  void set_score(std::size_t pair_idx, const std::vector<double>& values) const {
    const scoring::EncodedPair& pair = encoded_[pair_idx].value();
    Score score{values.back(), static_cast<std::uint32_t>(pair.ids.size()), pair.cut_tokens};
    for (const double value : values)
      if (!std::isfinite(value)) {
        scores_[pair_idx] = not_finite(pair_idx, value);
        return;
      }
    if (cutoffs_.order.size() > 1)
      for (const std::size_t k : cutoffs_.order) score.layer_values.push_back(values[k]);
    scores_[pair_idx] = std::move(score);
  }

  const CausalScorer& scorer_;
  const ScoreOptions& options_;
  const scoring::CutoffPlan& cutoffs_;
  std::span<const Result<scoring::EncodedPair>> encoded_;
  std::span<Result<Score>> scores_;
  const Progress& progress_;
  std::mutex progress_mutex_;
  std::size_t done_;
  std::vector<std::vector<float>> states_;  // [pairs][hidden], for the vocabulary
};

CausalScorer::CausalScorer(Method method, std::shared_ptr<const models::LoadedDecoder> model, MakeEncoder make_encoder,
                           std::vector<std::int32_t> digits, WorkerPool& workers)
    : method_(method),
      shared_model_(std::move(model)),
      model_(*shared_model_),
      make_encoder_(std::move(make_encoder)),
      digits_(std::move(digits)),
      workers_(workers),
      prefixes_(kPrefixBytes) {}

Result<scoring::CutoffPlan> CausalScorer::plan_cutoffs(const ScoreOptions& options) const {
  const models::CutoffRange& range = model_.cutoffs;
  const bool has_heads = method_ == Method::kLayerwise || method_ == Method::kLightweight;
  return scoring::plan_cutoffs(
      has_heads ? std::span<const int>(options.cutoff_layers) : std::span<const int>(),
      {static_cast<int>(range.first), static_cast<int>(range.last), static_cast<int>(range.step)});
}

Result<scoring::CompressionPlan> CausalScorer::plan_compression(const ScoreOptions& options,
                                                                const scoring::CutoffPlan& cutoffs) const {
  const int ratio = method_ == Method::kLightweight ? options.compress_ratio : 1;
  return scoring::plan_compression(ratio, options.compress_layers, cutoffs.layers.back());
}

Result<std::vector<Result<Score>>> CausalScorer::score_each(std::span<const Pair> pairs, const ScoreOptions& options,
                                                            const Progress& progress) const {
  RERANK_ASSIGN(const scoring::CutoffPlan cutoffs, plan_cutoffs(options));
  RERANK_ASSIGN(const scoring::CompressionPlan compression, plan_compression(options, cutoffs));
  RERANK_ASSIGN(const auto encoder, make_encoder_(options));
  models::CausalOptions pass;
  pass.layers = cutoffs.layers.back();
  pass.cutoffs = cutoffs.layers;
  pass.compress_ratio = compression.ratio;
  pass.compress_before.assign(pass.layers, false);
  for (const std::size_t layer : compression.layers) pass.compress_before[layer] = true;
  pass.attention_softcap = method_ != Method::kLightweight || options.attention_softcap;

  const auto encoded = encode_pairs(pairs, *encoder, workers_, options.stop);
  std::vector<Result<Score>> scores(pairs.size(), Result<Score>(Score{}));
  std::size_t done = 0;
  for (std::size_t pair_idx = 0; pair_idx < pairs.size(); ++pair_idx)
    if (!encoded[pair_idx].ok()) {
      scores[pair_idx] = encoded[pair_idx].error();
      ++done;
    }
  Reading reading(*this, options, cutoffs, encoded, scores, progress, done);
  CausalCall call({*model_.decoder, prefixes_, workers_}, pairs, encoded, pass, options.share_prefixes, options.stop);
  const models::CausalWork work = call.run([&](auto batch, const Status& status, auto states, auto& workspace) {
    reading.take(batch, status, states, workspace);
  });
  if (model_.vocabulary) reading.read_vocabulary();
  count(work, encoded);
  return scores;
}

Result<std::vector<Result<PairTokens>>> CausalScorer::measure(std::span<const Pair> pairs,
                                                              const ScoreOptions& options) const {
  RERANK_ASSIGN(const auto encoder, make_encoder_(options));
  return lengths_of(encode_pairs(pairs, *encoder, workers_, options.stop));
}

std::vector<std::string> CausalScorer::remarks(const ScoreOptions& options) const {
  std::vector<std::string> remarks;
  const bool has_heads = method_ == Method::kLayerwise || method_ == Method::kLightweight;
  if (!has_heads && !options.cutoff_layers.empty())
    remarks.push_back("this method scores with the last layer: the cutoff layers given are not used");
  if (method_ != Method::kLightweight && options.compress_ratio != 1)
    remarks.push_back("only lightweight models compress tokens: the ratio given is not used");
  const auto cutoffs = plan_cutoffs(options);
  if (!cutoffs.ok()) return remarks;  // the call itself will say it
  remarks.insert(remarks.end(), cutoffs.value().remarks.begin(), cutoffs.value().remarks.end());
  const auto compression = plan_compression(options, cutoffs.value());
  if (compression.ok())
    remarks.insert(remarks.end(), compression.value().remarks.begin(), compression.value().remarks.end());
  return remarks;
}

void CausalScorer::count(const models::CausalWork& work, std::span<const Result<scoring::EncodedPair>> encoded) const {
  const std::lock_guard lock(work_mutex_);
  work_.tokens_computed += work.tokens;
  work_.flops += work.flops;
  for (const auto& pair : encoded) {
    if (!pair.ok()) continue;
    work_.tokens_given += pair.value().ids.size();
    work_.flops_given += model_.decoder->flops_of_sequence(pair.value().ids.size());
  }
}

Work CausalScorer::work() const {
  const std::lock_guard lock(work_mutex_);
  return work_;
}

}  // namespace rerank
