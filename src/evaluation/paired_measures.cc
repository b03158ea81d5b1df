#include "evaluation/paired_measures.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "evaluation/measures.h"

namespace rerank::evaluation {
namespace {

void set_mean(PairedMeasure& measure) {
  if (measure.values.empty()) return;
  const double sum = std::accumulate(measure.values.begin(), measure.values.end(), 0.0,
                                     [](double total, const PairedValue& value) { return total + value.value; });
  measure.mean = sum / static_cast<double>(measure.values.size());
}

// The id without its ending, or nothing where it ends otherwise.
std::string_view without(std::string_view id, std::string_view ending) {
  return id.ends_with(ending) ? id.substr(0, id.size() - ending.size()) : std::string_view();
}

// From 1.
using Ranks = std::unordered_map<std::string_view, std::size_t>;
Ranks ranks_of(const std::vector<ScoredPassage>& best_first) {
  Ranks ranks;
  for (const ScoredPassage& passage : best_first) ranks.emplace(passage.passage_id, ranks.size() + 1);
  return ranks;
}

double change(std::size_t original, std::size_t changed) {
  const auto o = static_cast<double>(original), n = static_cast<double>(changed);
  return o >= n ? n / o - 1 : 1 - o / n;
}

}  // namespace

std::string_view pair_key(std::string_view query_id) {
  for (const std::string_view ending : {"_q1", "_q2", "-og", "-changed"})
    if (const std::string_view key = without(query_id, ending); !key.empty()) return key;
  return {};
}

PairedMeasure paired_accuracy(const Qrels& qrels, const Run& run) {
  const Measure recall = parse_measure("Recall@1").value();
  const Evaluation evaluation = evaluate(qrels, run, {&recall, 1});
  std::unordered_map<std::string_view, bool> is_right;
  for (const QueryValues& query : evaluation.queries) is_right.emplace(query.query_id, query.values[0] == 1);

  PairedMeasure measure;
  for (const QueryValues& query : evaluation.queries) {
    const std::string_view first = without(query.query_id, "_q1"), second = without(query.query_id, "_q2");
    const std::string key(first.empty() ? second : first);
    const auto one = is_right.find(key + "_q1"), other = is_right.find(key + "_q2");
    if (key.empty() || one == is_right.end() || other == is_right.end()) {
      ++measure.incomplete;
    } else if (!first.empty()) {
      measure.values.push_back({key, one->second && other->second ? 1.0 : 0.0});
    }
  }
  set_mean(measure);
  return measure;
}

ChangedPassages changed_passages(const Qrels& qrels) {
  std::unordered_map<std::string_view, const JudgedQuery*> by_id;
  for (const JudgedQuery& query : qrels.queries) by_id.emplace(query.query_id, &query);
  ChangedPassages changed;
  for (const JudgedQuery& query : qrels.queries) {
    const std::string key(without(query.query_id, "-og"));
    const auto other = by_id.find(key + "-changed");
    if (key.empty() || other == by_id.end()) continue;
    std::unordered_map<std::string_view, int> relevances;
    for (const Judgement& judgement : other->second->judgements)
      relevances.emplace(judgement.passage_id, judgement.relevance);
    for (const Judgement& judgement : query.judgements) {
      const auto at = relevances.find(judgement.passage_id);
      if ((at == relevances.end() ? 0 : at->second) != judgement.relevance)
        changed[key].push_back(judgement.passage_id);
    }
  }
  return changed;
}

PairedMeasure p_mrr(const ChangedPassages& changed, const Run& run) {
  std::unordered_map<std::string_view, const Ranking*> by_id;
  for (const Ranking& ranking : run.rankings) by_id.emplace(ranking.query_id, &ranking);
  PairedMeasure measure;
  std::size_t complete = 0;
  for (const Ranking& ranking : run.rankings) {
    const std::string key(without(ranking.query_id, "-og"));
    const auto at = changed.find(key);
    const auto other = by_id.find(key + "-changed");
    if (key.empty() || at == changed.end() || other == by_id.end()) continue;
    ++complete;
    if (at->second.empty()) continue;
    std::vector<ScoredPassage> before = ranking.passages, after = other->second->passages;
    sort_as_trec_eval(before);
    sort_as_trec_eval(after);
    const Ranks old_ranks = ranks_of(before), new_ranks = ranks_of(after);
    const auto rank_in = [](const Ranks& ranks, const std::string& id) {
      const auto found = ranks.find(id);
      return found == ranks.end() ? ranks.size() + 1 : found->second;
    };
    double sum = 0;
    for (const std::string& id : at->second) sum += change(rank_in(old_ranks, id), rank_in(new_ranks, id));
    measure.values.push_back({key, sum / static_cast<double>(at->second.size())});
  }
  measure.incomplete = changed.size() - complete;
  set_mean(measure);
  return measure;
}

}  // namespace rerank::evaluation
