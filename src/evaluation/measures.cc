#include "evaluation/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_map>

#include "base/try.h"

namespace rerank::evaluation {
namespace {

using Kind = Measure::Kind;

struct NameRow {
  std::string_view name;  // in small letters
  Kind kind;
  bool needs_cutoff;
};
constexpr std::array kNames = {NameRow{"ndcg", Kind::kNdcg, false},
                               NameRow{"mrr", Kind::kRecipRank, false},
                               NameRow{"rr", Kind::kRecipRank, false},
                               NameRow{"p", Kind::kPrecision, true},
                               NameRow{"recall", Kind::kRecall, true},
                               NameRow{"r", Kind::kRecall, true},
                               NameRow{"map", Kind::kAveragePrecision, false},
                               NameRow{"ap", Kind::kAveragePrecision, false},
                               NameRow{"success", Kind::kSuccess, true}};
constexpr const char* kSupported =
    "supported are nDCG, nDCG@k, MRR, MRR@k (or RR), P@k, Recall@k (or R@k), MAP, MAP@k (or AP) and Success@k";

std::string in_small_letters(std::string_view text) {
  std::string small(text);
  for (char& byte : small)
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  return small;
}

Error refuse(std::string_view name, std::string_view why) {
  return {Error::Code::kBadInput, fmt::format("measure \"{}\" {}", name, why), "", kSupported};
}

// One query's ranking and judgements, in the form that the measures read.
struct JudgedRanking {
  std::vector<int> relevances;  // [ranks], 0 where there is no judgement
  std::vector<int> ideal;       // the relevances above 0 of all judgements, largest first

  std::size_t ranks_within(std::size_t cutoff) const {
    return cutoff == 0 ? relevances.size() : std::min(cutoff, relevances.size());
  }
};

double dcg(std::span<const int> relevances) {
  double sum = 0;
  for (std::size_t rank = 1; rank <= relevances.size(); ++rank)
    if (relevances[rank - 1] > 0) sum += relevances[rank - 1] / std::log2(static_cast<double>(rank + 1));
  return sum;
}

double ndcg(const JudgedRanking& ranking, std::size_t cutoff) {
  const std::span<const int> ideal(ranking.ideal);
  const double best = dcg(cutoff == 0 ? ideal : ideal.first(std::min(cutoff, ideal.size())));
  return best > 0 ? dcg(std::span(ranking.relevances).first(ranking.ranks_within(cutoff))) / best : 0.0;
}

std::size_t relevant_within(const JudgedRanking& ranking, std::size_t cutoff) {
  const auto end = ranking.relevances.begin() + static_cast<std::ptrdiff_t>(ranking.ranks_within(cutoff));
  return static_cast<std::size_t>(std::count_if(ranking.relevances.begin(), end, [](int r) { return r > 0; }));
}

double reciprocal_rank(const JudgedRanking& ranking, std::size_t cutoff) {
  for (std::size_t rank = 1; rank <= ranking.ranks_within(cutoff); ++rank)
    if (ranking.relevances[rank - 1] > 0) return 1.0 / static_cast<double>(rank);
  return 0.0;
}

double average_precision(const JudgedRanking& ranking, std::size_t cutoff) {
  if (ranking.ideal.empty()) return 0.0;
  double sum = 0;
  std::size_t found = 0;
  for (std::size_t rank = 1; rank <= ranking.ranks_within(cutoff); ++rank)
    if (ranking.relevances[rank - 1] > 0) sum += static_cast<double>(++found) / static_cast<double>(rank);
  return sum / static_cast<double>(ranking.ideal.size());
}

double value_of(const Measure& measure, const JudgedRanking& ranking) {
  const auto found = static_cast<double>(relevant_within(ranking, measure.cutoff));
  switch (measure.kind) {
    case Kind::kNdcg:
      return ndcg(ranking, measure.cutoff);
    case Kind::kRecipRank:
      return reciprocal_rank(ranking, measure.cutoff);
    case Kind::kPrecision:
      return found / static_cast<double>(measure.cutoff);
    case Kind::kRecall:
      return ranking.ideal.empty() ? 0.0 : found / static_cast<double>(ranking.ideal.size());
    case Kind::kAveragePrecision:
      return average_precision(ranking, measure.cutoff);
    case Kind::kSuccess:
      return found > 0 ? 1.0 : 0.0;
  }
  return 0.0;
}

JudgedRanking judge(const JudgedQuery& query, std::vector<ScoredPassage> passages) {
  JudgedRanking judged;
  std::unordered_map<std::string_view, int> relevance_of;
  for (const Judgement& judgement : query.judgements) {
    relevance_of.emplace(judgement.passage_id, judgement.relevance);
    if (judgement.relevance > 0) judged.ideal.push_back(judgement.relevance);
  }
  std::sort(judged.ideal.begin(), judged.ideal.end(), std::greater<int>());
  sort_as_trec_eval(passages);
  for (const ScoredPassage& passage : passages) {
    const auto at = relevance_of.find(passage.passage_id);
    judged.relevances.push_back(at == relevance_of.end() ? 0 : at->second);
  }
  return judged;
}

}  // namespace

Result<Measure> parse_measure(std::string_view name) {
  const std::size_t at = name.find('@');
  const std::string base = in_small_letters(name.substr(0, at));
  const auto row = std::find_if(kNames.begin(), kNames.end(), [&](const NameRow& known) { return known.name == base; });
  if (row == kNames.end()) return refuse(name, "is not known");
  std::size_t cutoff = 0;
  if (at != name.npos) {
    const std::string_view digits = name.substr(at + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), cutoff);
    if (code != std::errc() || end != digits.data() + digits.size() || cutoff == 0)
      return refuse(name, "needs a whole number above 0 behind its \"@\"");
  } else if (row->needs_cutoff) {
    return refuse(name, fmt::format("needs a cutoff, as in {}@10", name));
  }
  return Measure{row->kind, cutoff, std::string(name)};
}

Result<std::vector<Measure>> parse_measures(std::string_view names) {
  std::vector<Measure> measures;
  while (true) {
    const std::size_t comma = names.find(',');
    std::string_view name = names.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    RERANK_ASSIGN(Measure measure, parse_measure(name));
    measures.push_back(std::move(measure));
    if (comma == names.npos) return measures;
    names.remove_prefix(comma + 1);
  }
}

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
  return evaluation;
}

}  // namespace rerank::evaluation
