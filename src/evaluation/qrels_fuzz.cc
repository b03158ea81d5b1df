// Any bytes give judgements or an Error. Judgements name each query, and each of its passages, once; and a run that
// ranks every judged passage by its relevance has a perfect nDCG.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <unordered_set>

#include "evaluation/measures.h"

namespace ev = rerank::evaluation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto qrels = ev::read_qrels(rerank::io::LineReader::over(text, "fuzz.tsv"));
  if (!qrels.ok()) {
    if (qrels.error().what.empty() || qrels.error().where.rfind("fuzz.tsv", 0) != 0) std::abort();
    return 0;
  }
  ev::Run best;
  std::unordered_set<std::string> queries;
  for (const auto& query : qrels.value().queries) {
    if (query.query_id.empty() || query.judgements.empty() || !queries.insert(query.query_id).second) std::abort();
    std::unordered_set<std::string> passages;
    ev::Ranking ranking{query.query_id, {}};
    for (const auto& judgement : query.judgements) {
      if (judgement.passage_id.empty() || !passages.insert(judgement.passage_id).second) std::abort();
      ranking.passages.push_back({judgement.passage_id, static_cast<float>(judgement.relevance)});
    }
    best.rankings.push_back(std::move(ranking));
  }
  if (queries.empty()) std::abort();

  const auto measures = ev::parse_measures("nDCG,nDCG@3,P@1,MRR").value();
  const ev::Evaluation evaluation = ev::evaluate(qrels.value(), best, measures);
  if (evaluation.missing_from_run != 0 || evaluation.not_judged != 0) std::abort();
  for (const auto& query : evaluation.queries) {
    const double relevant = query.values[3];  // 1 or, where nothing is relevant, 0
    // Relevances that differ as integers may be equal as the floats they are ranked by.
    if (std::abs(query.values[0] - relevant) > 1e-6 || std::abs(query.values[1] - relevant) > 1e-6) std::abort();
    if (query.values[2] != relevant) std::abort();
  }
  return 0;
}
