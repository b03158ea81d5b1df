// Measures of two queries at a time that differ in a few words: does the ranking follow?
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "evaluation/trec.h"

namespace rerank::evaluation {

struct PairedValue {
  std::string key;  // what the two query ids have in common
  double value = 0;
};

struct PairedMeasure {
  double mean = 0;  // over `values`; 0 where there are none
  std::vector<PairedValue> values;
  std::size_t incomplete = 0;  // pairs of which one query is not there, which do not count
};

// What a query's id has in common with that of the other one of its pair: it without "_q1", "_q2", "-og" or "-changed".
// Empty where it ends otherwise.
std::string_view pair_key(std::string_view query_id);

// NevIR (Weller et al. 2023). Queries KEY_q1 and KEY_q2 ask for opposite passages; a pair counts 1 where both have all
// that is relevant to them at the first rank (Recall@1 = 1), else 0. Passages rank as in measures.h. Pairs in the order
// of the judgements; a judged query that the run lacks counts 0.
PairedMeasure paired_accuracy(const Qrels& qrels, const Run& run);

// Passages whose relevance an instruction changes, by the key of its queries.
using ChangedPassages = std::unordered_map<std::string, std::vector<std::string>>;
// From the judgements of queries KEY-og and KEY-changed: those that the former judges otherwise than the latter, where
// no judgement is 0. In the order of the judgements.
ChangedPassages changed_passages(const Qrels& qrels);

// p-MRR (Weller et al. 2024, FollowIR and mFollowIR), from -1 to 1. For each changed passage with rank o for KEY-og and
// rank n for KEY-changed: n/o - 1 where o >= n, else 1 - o/n; a passage that is not ranked has the rank behind the
// last. Means over the passages of a key, then over keys, in the order of the run. Passages that became irrelevant
// should fall, so more is better. A key that ranks only one of its queries is incomplete; one without changed passages
// counts not at all.
PairedMeasure p_mrr(const ChangedPassages& changed, const Run& run);

}  // namespace rerank::evaluation
