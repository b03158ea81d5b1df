// The rankings that an engine makes of scores.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/try.h"
#include "engine/pair_encoding.h"
#include "engine/progressive.h"
#include "rerank/engine.h"

namespace rerank {
namespace {

// By falling score, ties in the order of their index; at most top_n of them (0: all).
std::vector<RankedPassage> best_of(std::vector<RankedPassage> ranking, std::size_t top_n) {
  std::sort(ranking.begin(), ranking.end(), [](const RankedPassage& a, const RankedPassage& b) {
    return a.score.value != b.score.value ? a.score.value > b.score.value : a.index < b.index;
  });
  if (top_n > 0 && ranking.size() > top_n) ranking.resize(top_n);
  return ranking;
}

std::vector<Pair> pairs_of(std::string_view query, std::span<const std::string_view> passages) {
  std::vector<Pair> pairs;
  pairs.reserve(passages.size());
  for (const std::string_view passage : passages) pairs.push_back({query, passage});
  return pairs;
}

// The layer with a head that is next to a quarter of the layers, if it is below `last`.
Result<int> early_layer(const ModelInfo& info, int last, int wanted) {
  if (info.cutoff_layers.empty())
    return Error{Error::Code::kUnsupported, "has no heads below its last layer: its method is " + info.method,
                 info.name, "progressive ranking needs a layerwise or lightweight model"};
  const auto is_nearer = [&](int a, int b) { return std::abs(4 * a - last) < std::abs(4 * b - last); };
  const int early =
      wanted > 0 ? wanted : *std::min_element(info.cutoff_layers.begin(), info.cutoff_layers.end(), is_nearer);
  if (std::find(info.cutoff_layers.begin(), info.cutoff_layers.end(), early) == info.cutoff_layers.end() ||
      early >= last)
    return Error{Error::Code::kBadInput,
                 "the early layer must have a head and lie below layer " + std::to_string(last) + ": it is " +
                     std::to_string(early),
                 info.name, "`rerank info` lists the layers"};
  return early;
}

}  // namespace

Result<ProgressiveRanking> Engine::rank_progressively(std::string_view query,
                                                      std::span<const std::string_view> passages, std::size_t top_n,
                                                      const ScoreOptions& options,
                                                      const ProgressiveOptions& progressive) const {
  if (top_n == 0)
    return Error{Error::Code::kBadInput, "progressive ranking finds the best few: their number must be given", "", ""};
  ProgressiveRanking found;
  found.last_layer = !options.cutoff_layers.empty()
                         ? *std::max_element(options.cutoff_layers.begin(), options.cutoff_layers.end())
                     : info().cutoff_layers.empty() ? 0
                                                    : info().cutoff_layers.back();
  RERANK_ASSIGN(found.early_layer, early_layer(info(), found.last_layer, progressive.early_layer));

  const std::vector<Pair> pairs = pairs_of(query, passages);
  ScoreOptions logits = options;  // a line fits them better than their sigmoids
  logits.normalize = false;
  logits.cutoff_layers = {found.early_layer};
  const double flops_begin = work().flops;
  RERANK_ASSIGN(const std::vector<Score> early_scores, score(pairs, logits));
  const double early_flops = work().flops - flops_begin;
  std::vector<double> early;
  for (const Score& score : early_scores) early.push_back(score.value);

  logits.cutoff_layers = {found.last_layer};
  std::vector<RankedPassage> last;
  const auto read_last = [&](std::span<const std::size_t> contenders) -> Result<std::vector<double>> {
    std::vector<Pair> carried;
    for (const std::size_t index : contenders) carried.push_back(pairs[index]);
    RERANK_ASSIGN(const std::vector<Score> scores, score(carried, logits));
    std::vector<double> values;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      values.push_back(scores[i].value);
      last.push_back({contenders[i], scores[i]});
      if (options.normalize) last.back().score.value = sigmoid(scores[i].value);
    }
    return values;
  };
  RERANK_TRY(read_contenders(early, top_n, progressive.deviations, read_last));
  found.carried = last.size();
  const double spent = work().flops - flops_begin, of_carried = spent - early_flops;
  double tokens = 0, carried_tokens = 0;
  for (const Score& score : early_scores) tokens += score.tokens;
  for (const RankedPassage& passage : last) carried_tokens += passage.score.tokens;
  if (of_carried > 0) found.work_saved = 1 - spent / (of_carried * tokens / carried_tokens);
  found.ranking = best_of(std::move(last), top_n);
  return found;
}

Result<std::vector<RankedPassage>> Engine::rank(std::string_view query, std::span<const std::string_view> passages,
                                                std::size_t top_n, const ScoreOptions& options) const {
  RERANK_ASSIGN(const auto scores, score(pairs_of(query, passages), options));
  std::vector<RankedPassage> ranking;
  ranking.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) ranking.push_back({i, scores[i]});
  return best_of(std::move(ranking), top_n);
}

}  // namespace rerank
