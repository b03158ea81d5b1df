#include "evaluation/protocol_result.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_set>

#include "evaluation/measures.h"
#include "evaluation/paired_measures.h"

namespace rerank::evaluation {
namespace {

constexpr std::string_view kEndings[] = {"-og", "-changed"};

// The judgements of the queries that the run ranks and whose ids end so.
Qrels ranked(const Qrels& qrels, const Run& run, std::string_view ending) {
  std::unordered_set<std::string_view> ids;
  for (const Ranking& ranking : run.rankings) ids.insert(ranking.query_id);
  Qrels kept;
  for (const JudgedQuery& query : qrels.queries)
    if (ids.contains(query.query_id) && query.query_id.ends_with(ending)) kept.queries.push_back(query);
  return kept;
}

double value_of(const Protocol& protocol, const ProtocolData& data, const Run& run, std::string_view name) {
  if (name == kPairedAccuracyName) return paired_accuracy(data.qrels, run).mean;
  if (name == kPMrrName) return p_mrr(data.changed, run).mean;
  std::string_view ending;
  for (const std::string_view known : kEndings)
    if (name.ends_with(known)) ending = known;
  name.remove_suffix(ending.size());
  const Measure measure = parse_measure(name).value();  // a name of the table
  const bool over_all = !protocol.over_all_judged.empty() && name.starts_with(protocol.over_all_judged);
  return evaluate(over_all ? data.qrels : ranked(data.qrels, run, ending), run, {&measure, 1}).means[0];
}

std::string_view whole_of(std::string_view dataset) {
  return dataset.substr(0, dataset.find('/'));
}

void add(std::vector<double>& sums, const std::vector<double>& values) {
  sums.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
}

}  // namespace

std::vector<double> measure(const Protocol& protocol, const ProtocolData& data, const Run& run) {
  std::vector<double> values;
  for (const std::string_view name : protocol.measures)
    values.push_back(rounded(value_of(protocol, data, run, name), protocol.digits));
  return values;
}

ProtocolRow mean_of(const Protocol& protocol, const std::vector<ProtocolRow>& rows) {
  ProtocolRow mean{"mean", 0, 0, {}, {}};
  bool all_have_first_stage = true;
  for (const ProtocolRow& row : rows) {
    mean.queries += row.queries;
    mean.pairs += row.pairs;
    add(mean.reranked, row.reranked);
    all_have_first_stage = all_have_first_stage && !row.first_stage.empty();
    if (all_have_first_stage) add(mean.first_stage, row.first_stage);
  }
  if (!all_have_first_stage) mean.first_stage.clear();
  for (std::vector<double>* values : {&mean.reranked, &mean.first_stage})
    for (double& value : *values) value = rounded(value / static_cast<double>(rows.size()), protocol.digits);
  return mean;
}

std::vector<ProtocolRow> with_parts_joined(const Protocol& protocol, const std::vector<ProtocolRow>& rows) {
  std::vector<ProtocolRow> joined;
  std::unordered_set<std::string_view> done;
  for (const ProtocolRow& row : rows) {
    const std::string_view whole = whole_of(row.dataset);
    if (whole == row.dataset) {
      joined.push_back(row);
    } else if (done.insert(whole).second) {
      std::vector<ProtocolRow> parts;
      for (const ProtocolRow& part : rows)
        if (part.dataset != whole && whole_of(part.dataset) == whole) parts.push_back(part);
      joined.push_back(mean_of(protocol, parts));
      joined.back().dataset = whole;
    }
  }
  return joined;
}

std::optional<double> published_mean(const Protocol& protocol, const PublishedTable& table, std::size_t model,
                                     const std::vector<ProtocolRow>& rows) {
  double sum = 0;
  std::size_t count = 0;
  std::set<std::string_view> missing;
  for (const std::string_view dataset : protocol.datasets) missing.insert(whole_of(dataset));
  for (const ProtocolRow& row : rows) {
    missing.erase(row.dataset);
    if (const auto value = table.value(row.dataset, model)) sum += *value, ++count;
  }
  if (missing.empty())
    if (const auto stated = table.value("mean", model)) return stated;
  if (count < rows.size()) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace rerank::evaluation
