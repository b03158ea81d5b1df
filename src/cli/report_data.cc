#include "cli/report_data.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/percentile.h"
#include "evaluation/significance.h"

namespace rerank::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kScoreBins = 40, kCalibrationBins = 10;

using Grades = std::unordered_map<std::string_view, int>;  // passage -> relevance

Grades grades_of(const evaluation::JudgedQuery& query) {
  Grades grades;
  for (const evaluation::Judgement& judgement : query.judgements)
    grades.emplace(judgement.passage_id, judgement.relevance);
  return grades;
}

std::unordered_map<std::string_view, const evaluation::Ranking*> by_query(const evaluation::Run& run) {
  std::unordered_map<std::string_view, const evaluation::Ranking*> rankings;
  for (const evaluation::Ranking& ranking : run.rankings) rankings.emplace(ranking.query_id, &ranking);
  return rankings;
}

// Every run behind the first, compared with it in every measure.
ordered_json changes_of(const JudgedRuns& judged) {
  ordered_json rows = ordered_json::array();
  std::vector<double> p;
  for (std::size_t measure = 0; measure < judged.measures.size(); ++measure) {
    std::vector<std::vector<double>> values(judged.names.size());
    for (std::size_t run = 0; run < judged.names.size(); ++run)
      for (const evaluation::QueryValues& query : judged.evaluations[run].queries)
        values[run].push_back(query.values[measure]);
    for (std::size_t run = 1; run < judged.names.size(); ++run) {
      const evaluation::Comparison c = evaluation::compare(values[0], values[run], evaluation::PairedTest::kStudentT);
      rows.push_back({{"run", run},
                      {"measure", measure},
                      {"change", c.difference},
                      {"low", c.low},
                      {"high", c.high},
                      {"better", c.better},
                      {"same", c.same},
                      {"worse", c.worse}});
      p.push_back(c.p);
    }
  }
  const std::vector<double> corrected = evaluation::corrected(p, evaluation::Correction::kHolm);
  for (std::size_t row = 0; row < rows.size(); ++row) rows[row]["p"] = corrected[row];
  return rows;
}

// How the scores of relevant and other passages of the judged queries spread, and how often each score is right.
ordered_json scores_of(const JudgedRuns& judged, const evaluation::Run& run) {
  struct Scored {
    double score;
    bool is_relevant;
  };
  std::vector<Scored> all;
  const auto rankings = by_query(run);
  for (const evaluation::JudgedQuery& query : judged.qrels.queries) {
    const auto ranking = rankings.find(query.query_id);
    if (ranking == rankings.end()) continue;
    const Grades grades = grades_of(query);
    for (const evaluation::ScoredPassage& passage : ranking->second->passages) {
      const auto grade = grades.find(passage.passage_id);
      all.push_back({passage.score, grade != grades.end() && grade->second > 0});
    }
  }
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (const Scored& scored : all) {
    least = std::min(least, scored.score);
    most = std::max(most, scored.score);
  }
  std::vector<std::size_t> relevant(kScoreBins), others(kScoreBins);
  struct Bin {
    std::size_t count = 0, relevant = 0;
    double sum = 0;
  };
  std::vector<Bin> bins(kCalibrationBins);
  for (const auto& [score, is_relevant] : all) {
    const double share = most > least ? (score - least) / (most - least) : 0.0;
    const auto bin = std::min(static_cast<std::size_t>(share * kScoreBins), kScoreBins - 1);
    ++(is_relevant ? relevant : others)[bin];
    if (score < 0 || score > 1) continue;
    Bin& calibration = bins[std::min(static_cast<std::size_t>(score * kCalibrationBins), kCalibrationBins - 1)];
    ++calibration.count;
    calibration.relevant += is_relevant ? 1 : 0;
    calibration.sum += score;
  }
  ordered_json calibration = ordered_json::array();
  double error = 0;  // |mean score - share of relevant|, summed over passages
  for (const Bin& bin : bins) {
    calibration.push_back({{"count", bin.count},
                           {"relevant", bin.relevant},
                           {"mean", bin.count == 0 ? 0.0 : bin.sum / static_cast<double>(bin.count)}});
    error += std::abs(bin.sum - static_cast<double>(bin.relevant));
  }
  const bool is_probability = !all.empty() && least >= 0 && most <= 1;
  return {
      {"least", all.empty() ? ordered_json() : ordered_json(least)},
      {"most", all.empty() ? ordered_json() : ordered_json(most)},
      {"relevant", relevant},
      {"others", others},
      {"calibration", calibration},
      {"calibration_error", is_probability ? ordered_json(error / static_cast<double>(all.size())) : ordered_json()}};
}

// What a run's queries took; null where that is not known. What is only known of queries that were alone in their
// call is null where one was not.
ordered_json work_of(const std::vector<QueryStats>& stats) {
  if (stats.empty()) return nullptr;
  ordered_json queries = ordered_json::array();
  std::vector<double> seconds;
  std::uint64_t passages = 0, tokens = 0, cut = 0, written = 0, computed = 0;
  double cpu_seconds = 0, total_seconds = 0;
  bool all_alone = true;
  for (const QueryStats& query : stats) {
    queries.push_back({{"id", query.query_id},
                       {"passages", query.passages},
                       {"seconds", query.seconds},
                       {"tokens", query.tokens},
                       {"cut_tokens", query.cut_tokens},
                       {"new_tokens", query.new_tokens}});
    seconds.push_back(query.seconds);
    total_seconds += query.seconds;
    passages += query.passages;
    tokens += query.tokens;
    cut += query.cut_tokens;
    written += query.new_tokens;
    all_alone = all_alone && query.alone.has_value();
    if (!query.alone) continue;
    cpu_seconds += query.alone->cpu_seconds;
    computed += query.alone->tokens_computed;
  }
  std::sort(seconds.begin(), seconds.end());
  const double pairs = static_cast<double>(std::max<std::uint64_t>(passages, 1));
  const auto if_alone = [&](auto value) { return all_alone ? ordered_json(value) : ordered_json(); };
  return {{"p50", percentile(seconds, 0.5)},
          {"p90", percentile(seconds, 0.9)},
          {"p99", percentile(seconds, 0.99)},
          {"slowest", seconds.back()},
          {"passages", passages},
          {"passages_per_second", total_seconds > 0 ? if_alone(pairs / total_seconds) : ordered_json()},
          {"cpu_seconds_per_100", if_alone(100 * cpu_seconds / pairs)},
          {"tokens", tokens},
          {"tokens_computed", if_alone(computed)},
          {"cut_tokens", cut},
          {"new_tokens", written},
          {"queries", std::move(queries)}};
}

// At most `bytes`, cut between characters.
ordered_json excerpt_or_null(const std::unordered_map<std::string, std::string>& texts, const std::string& id,
                             std::size_t bytes) {
  const auto at = texts.find(id);
  if (at == texts.end()) return nullptr;
  if (at->second.size() <= bytes) return at->second;
  std::size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(at->second[end]) & 0xC0) == 0x80) --end;
  return at->second.substr(0, end) + "\xE2\x80\xA6";
}

}  // namespace

ShownPassages shown_passages(const JudgedRuns& judged, std::size_t shown) {
  ShownPassages all;
  for (const evaluation::Run& run : judged.runs) {
    const auto rankings = by_query(run);
    auto& of_run = all.emplace_back();
    for (const evaluation::JudgedQuery& query : judged.qrels.queries) {
      auto& first = of_run.emplace_back();
      const auto ranking = rankings.find(query.query_id);
      if (ranking == rankings.end()) continue;
      first = ranking->second->passages;
      evaluation::sort_as_trec_eval(first);
      first.resize(std::min(first.size(), shown));
    }
  }
  return all;
}

ordered_json report_data(const JudgedRuns& judged, const ShownPassages& shown, const ReportTexts& texts,
                         std::size_t text_bytes) {
  ordered_json measures = ordered_json::array(), means = ordered_json::array(), queries = ordered_json::array(),
               scores = ordered_json::array(), work = ordered_json::array();
  for (const evaluation::Measure& measure : judged.measures) measures.push_back(measure.name);
  for (std::size_t run = 0; run < judged.names.size(); ++run) {
    means.push_back(judged.evaluations[run].means);
    scores.push_back(scores_of(judged, judged.runs[run]));
    work.push_back(work_of(judged.stats[run]));
  }
  for (std::size_t query_idx = 0; query_idx < judged.qrels.queries.size(); ++query_idx) {
    const evaluation::JudgedQuery& query = judged.qrels.queries[query_idx];
    const Grades grades = grades_of(query);
    ordered_json values = ordered_json::array(), top = ordered_json::array();
    for (std::size_t run = 0; run < judged.names.size(); ++run) {
      values.push_back(judged.evaluations[run].queries[query_idx].values);
      ordered_json passages = ordered_json::array();
      for (const evaluation::ScoredPassage& passage : shown[run][query_idx]) {
        const auto grade = grades.find(passage.passage_id);
        passages.push_back({{"id", passage.passage_id},
                            {"score", passage.score},
                            {"grade", grade == grades.end() ? ordered_json() : ordered_json(grade->second)},
                            {"text", excerpt_or_null(texts.passages, passage.passage_id, text_bytes)}});
      }
      top.push_back(std::move(passages));
    }
    queries.push_back({{"id", query.query_id},
                       {"text", excerpt_or_null(texts.queries, query.query_id, text_bytes)},
                       {"values", std::move(values)},
                       {"top", std::move(top)}});
  }
  return {{"runs", judged.names},          {"measures", std::move(measures)}, {"means", std::move(means)},
          {"changes", changes_of(judged)}, {"queries", std::move(queries)},   {"scores", std::move(scores)},
          {"work", std::move(work)}};
}

}  // namespace rerank::cli
