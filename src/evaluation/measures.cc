#include "evaluation/measures.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <unordered_map>

#include "evaluation/paired_measures.h"

namespace rerank::evaluation {
namespace {

using Kind = Measure::Kind;

// One query's ranking and judgements, in the form that the measures read.
struct JudgedRanking {
  std::vector<std::optional<int>> relevances;  // [ranks], nothing where there is no judgement
  std::vector<int> judgements;                 // all of the query, largest first

  std::size_t ranks_within(std::size_t cutoff) const {
    return cutoff == 0 ? relevances.size() : std::min(cutoff, relevances.size());
  }
  // Judgements of at least that.
  std::size_t count_from(int relevance) const {
    return static_cast<std::size_t>(
        std::count_if(judgements.begin(), judgements.end(), [&](int r) { return r >= relevance; }));
  }
};

double linear_gain(int relevance) {
  return relevance;
}
// 2^60 is far beyond any scale in use; without a bound the sums of a made-up file are infinite.
double exponential_gain(int relevance) {
  return std::exp2(std::min(relevance, 60)) - 1;
}

double ndcg(const JudgedRanking& ranking, std::size_t cutoff, double (*gain)(int)) {
  double found = 0, best = 0;
  for (std::size_t rank = 1; rank <= ranking.ranks_within(cutoff); ++rank)
    if (const int relevance = ranking.relevances[rank - 1].value_or(0); relevance > 0)
      found += gain(relevance) / std::log2(static_cast<double>(rank + 1));
  for (std::size_t rank = 1; rank <= ranking.judgements.size() && (cutoff == 0 || rank <= cutoff); ++rank)
    if (ranking.judgements[rank - 1] > 0)
      best += gain(ranking.judgements[rank - 1]) / std::log2(static_cast<double>(rank + 1));
  return best > 0 ? found / best : 0.0;
}

// The measures that only ask which passages are relevant, of the same query.
struct Binary {
  const JudgedRanking& ranking;
  const Measure& measure;
  std::size_t ranks = ranking.ranks_within(measure.cutoff);
  std::size_t all_relevant = ranking.count_from(measure.relevant_from);

  bool is_relevant(std::size_t rank) const {
    const std::optional<int>& relevance = ranking.relevances[rank - 1];
    return relevance && *relevance >= measure.relevant_from;
  }
  // As a share of all relevant passages; 0 where there are none.
  double of_all(double sum) const { return all_relevant == 0 ? 0.0 : sum / static_cast<double>(all_relevant); }

  double found() const {
    std::size_t count = 0;
    for (std::size_t rank = 1; rank <= ranks; ++rank) count += is_relevant(rank) ? 1 : 0;
    return static_cast<double>(count);
  }

  double reciprocal_rank() const {
    for (std::size_t rank = 1; rank <= ranks; ++rank)
      if (is_relevant(rank)) return 1.0 / static_cast<double>(rank);
    return 0.0;
  }

  double average_precision() const {
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t rank = 1; rank <= ranks; ++rank)
      if (is_relevant(rank)) sum += static_cast<double>(++count) / static_cast<double>(rank);
    return of_all(sum);
  }

  double rank_biased() const {
    double sum = 0, weight = 1 - measure.persistence;
    for (std::size_t rank = 1; rank <= ranks; ++rank, weight *= measure.persistence)
      if (is_relevant(rank)) sum += weight;
    return sum;
  }

  // Passages that are judged below 0 count as not judged, as in trec_eval.
  double bpref() const {
    const std::size_t not_relevant = ranking.count_from(0) - all_relevant;
    const auto most = static_cast<double>(std::min(not_relevant, all_relevant));
    double sum = 0;
    std::size_t before = 0;
    for (std::size_t rank = 1; rank <= ranks; ++rank) {
      if (is_relevant(rank))
        sum += before == 0 ? 1.0 : 1.0 - static_cast<double>(std::min(before, all_relevant)) / most;
      else if (ranking.relevances[rank - 1].value_or(-1) >= 0)
        ++before;
    }
    return of_all(sum);
  }
};

// Chapelle et al. 2009: at each rank the reader is satisfied with probability (2^grade - 1) / 2^4 and stops. gdeval
// knows no grade above 4; one that is counts as 4.
double expected_reciprocal_rank(const JudgedRanking& ranking, std::size_t cutoff) {
  double sum = 0, still_reading = 1;
  for (std::size_t rank = 1; rank <= ranking.ranks_within(cutoff); ++rank) {
    const int grade = std::clamp(ranking.relevances[rank - 1].value_or(0), 0, 4);
    const double satisfied = (std::exp2(grade) - 1) / 16;
    sum += satisfied * still_reading / static_cast<double>(rank);
    still_reading *= 1 - satisfied;
  }
  return sum;
}

double judged_share(const JudgedRanking& ranking, std::size_t cutoff) {
  const std::size_t ranks = ranking.ranks_within(cutoff);
  const auto end = ranking.relevances.begin() + static_cast<std::ptrdiff_t>(ranks);
  const auto judged = std::count_if(ranking.relevances.begin(), end, [](const auto& r) { return r.has_value(); });
  return ranks == 0 ? 0.0 : static_cast<double>(judged) / static_cast<double>(ranks);
}

double value_of(const Measure& measure, const JudgedRanking& ranking) {
  const Binary binary{ranking, measure};
  switch (measure.kind) {
    case Kind::kNdcg:
      return ndcg(ranking, measure.cutoff, linear_gain);
    case Kind::kExpNdcg:
      return ndcg(ranking, measure.cutoff, exponential_gain);
    case Kind::kRecipRank:
      return binary.reciprocal_rank();
    case Kind::kPrecision:
      return binary.found() / static_cast<double>(measure.cutoff);
    case Kind::kRecall:
      return binary.of_all(binary.found());
    case Kind::kAveragePrecision:
      return binary.average_precision();
    case Kind::kSuccess:
      return binary.found() > 0 ? 1.0 : 0.0;
    case Kind::kRankBiased:
      return binary.rank_biased();
    case Kind::kExpectedReciprocal:
      return expected_reciprocal_rank(ranking, measure.cutoff);
    case Kind::kJudged:
      return judged_share(ranking, measure.cutoff);
    case Kind::kBpref:
      return binary.bpref();
    case Kind::kPairedAccuracy:
    case Kind::kPMrr:
      break;  // not of one query: see set_paired()
  }
  return 0.0;
}

JudgedRanking judge(const JudgedQuery& query, std::vector<ScoredPassage> passages) {
  JudgedRanking judged;
  std::unordered_map<std::string_view, int> relevance_of;
  for (const Judgement& judgement : query.judgements) {
    relevance_of.emplace(judgement.passage_id, judgement.relevance);
    judged.judgements.push_back(judgement.relevance);
  }
  std::sort(judged.judgements.begin(), judged.judgements.end(), std::greater<int>());
  sort_as_trec_eval(passages);
  for (const ScoredPassage& passage : passages) {
    const auto at = relevance_of.find(passage.passage_id);
    judged.relevances.push_back(at == relevance_of.end() ? std::nullopt : std::optional(at->second));
  }
  return judged;
}

// A measure of pairs, in its column.
void set_paired(const PairedMeasure& paired, std::size_t column, Evaluation& evaluation) {
  std::unordered_map<std::string_view, double> values;
  for (const PairedValue& pair : paired.values) values.emplace(pair.key, pair.value);
  for (QueryValues& query : evaluation.queries)
    if (const auto at = values.find(pair_key(query.query_id)); at != values.end()) query.values[column] = at->second;
  evaluation.means[column] = paired.mean;
}

}  // namespace

Evaluation evaluate(const Qrels& qrels, const Run& run, std::span<const Measure> measures) {
  std::unordered_map<std::string_view, const Ranking*> ranking_of;
  for (const Ranking& ranking : run.rankings) ranking_of.emplace(ranking.query_id, &ranking);

  Evaluation evaluation;
  evaluation.means.assign(measures.size(), 0.0);
  for (const JudgedQuery& query : qrels.queries) {
    const auto at = ranking_of.find(query.query_id);
    QueryValues row{query.query_id, at != ranking_of.end(), std::vector<double>(measures.size(), 0.0)};
    if (row.in_run) {
      const JudgedRanking ranking = judge(query, at->second->passages);
      for (std::size_t i = 0; i < measures.size(); ++i) {
        row.values[i] = value_of(measures[i], ranking);
        evaluation.means[i] += row.values[i];
      }
    } else {
      ++evaluation.missing_from_run;
    }
    evaluation.queries.push_back(std::move(row));
  }
  for (double& mean : evaluation.means) mean /= static_cast<double>(std::max<std::size_t>(qrels.queries.size(), 1));
  evaluation.not_judged = run.rankings.size() - (qrels.queries.size() - evaluation.missing_from_run);
  for (std::size_t i = 0; i < measures.size(); ++i) {
    if (measures[i].kind == Kind::kPairedAccuracy) set_paired(paired_accuracy(qrels, run), i, evaluation);
    if (measures[i].kind == Kind::kPMrr) set_paired(p_mrr(changed_passages(qrels), run), i, evaluation);
  }
  return evaluation;
}

}  // namespace rerank::evaluation
