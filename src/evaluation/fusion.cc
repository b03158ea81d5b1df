#include "evaluation/fusion.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

namespace rerank::evaluation {
namespace {

// What one run gives to each passage of a query.
struct Parts {
  std::vector<double> of;  // [ranking.passages]
  double of_others = 0;    // of a passage that it does not rank
};

Parts scaled_scores(const Ranking& ranking, double zero, double unit) {
  Parts parts;
  for (const ScoredPassage& passage : ranking.passages)
    parts.of.push_back(unit > 0 ? (static_cast<double>(passage.score) - zero) / unit : 0);
  parts.of_others = *std::min_element(parts.of.begin(), parts.of.end());
  return parts;
}

Parts z_scores(const Ranking& ranking) {
  const auto count = static_cast<double>(ranking.passages.size());
  double sum = 0, squares = 0;
  for (const ScoredPassage& passage : ranking.passages) sum += static_cast<double>(passage.score);
  const double mean = sum / count;
  for (const ScoredPassage& passage : ranking.passages)
    squares += (static_cast<double>(passage.score) - mean) * (static_cast<double>(passage.score) - mean);
  return scaled_scores(ranking, mean, std::sqrt(squares / count));
}

Parts between_0_and_1(const Ranking& ranking) {
  const auto [least, most] =
      std::minmax_element(ranking.passages.begin(), ranking.passages.end(),
                          [](const ScoredPassage& a, const ScoredPassage& b) { return a.score < b.score; });
  const auto zero = static_cast<double>(least->score);
  return scaled_scores(ranking, zero, static_cast<double>(most->score) - zero);
}

Parts reciprocal_ranks(const Ranking& ranking, double constant) {
  std::vector<ScoredPassage> best_first = ranking.passages;
  sort_as_trec_eval(best_first);
  std::unordered_map<std::string_view, std::size_t> ranks;
  for (const ScoredPassage& passage : best_first) ranks.emplace(passage.passage_id, ranks.size() + 1);
  Parts parts;
  for (const ScoredPassage& passage : ranking.passages)
    parts.of.push_back(1 / (constant + static_cast<double>(ranks.at(passage.passage_id))));
  return parts;
}

Parts parts_of(const Ranking& ranking, const FusionOptions& options) {
  switch (options.method) {
    case Fusion::kZScore:
      return z_scores(ranking);
    case Fusion::kMinMax:
      return between_0_and_1(ranking);
    case Fusion::kReciprocalRank:
      break;
  }
  return reciprocal_ranks(ranking, options.rank_constant);
}

// rankings: [runs], nullptr where a run does not rank the query.
Ranking fuse_query(std::string_view query_id, std::span<const Ranking* const> rankings, const FusionOptions& options) {
  Ranking fused{std::string(query_id), {}};
  std::unordered_map<std::string_view, std::size_t> places;
  for (const Ranking* ranking : rankings) {
    if (ranking == nullptr) continue;
    for (const ScoredPassage& passage : ranking->passages)
      if (places.emplace(passage.passage_id, places.size()).second) fused.passages.push_back({passage.passage_id, 0});
  }
  std::vector<double> sums(places.size());
  for (std::size_t run = 0; run < rankings.size(); ++run) {
    if (rankings[run] == nullptr) continue;
    const Parts parts = parts_of(*rankings[run], options);
    std::vector<double> given(sums.size(), parts.of_others);
    for (std::size_t i = 0; i < parts.of.size(); ++i)
      given[places.at(rankings[run]->passages[i].passage_id)] = parts.of[i];
    for (std::size_t place = 0; place < sums.size(); ++place) sums[place] += options.weights[run] * given[place];
  }
  for (std::size_t place = 0; place < sums.size(); ++place)
    fused.passages[place].score = static_cast<float>(sums[place]);
  sort_as_trec_eval(fused.passages);
  if (options.top_k > 0 && options.top_k < fused.passages.size()) fused.passages.resize(options.top_k);
  return fused;
}

}  // namespace

FusedRun fuse(std::span<const Run> runs, const FusionOptions& options) {
  std::vector<std::string_view> queries;
  std::unordered_map<std::string_view, std::vector<const Ranking*>> by_query;
  for (std::size_t run = 0; run < runs.size(); ++run)
    for (const Ranking& ranking : runs[run].rankings) {
      const auto [entry, is_new] = by_query.try_emplace(ranking.query_id, runs.size());
      if (is_new) queries.push_back(ranking.query_id);
      entry->second[run] = &ranking;
    }
  FusedRun fused{{}, std::vector<std::size_t>(runs.size())};
  for (const std::string_view query : queries) {
    const std::vector<const Ranking*>& rankings = by_query.at(query);
    for (std::size_t run = 0; run < runs.size(); ++run) fused.lacking[run] += rankings[run] == nullptr;
    fused.run.rankings.push_back(fuse_query(query, rankings, options));
  }
  return fused;
}

}  // namespace rerank::evaluation
