// How good a ranking is: the measures of trec_eval, with its numbers to the last printed digit, and those of
// ir_measures that trec_eval lacks.
//
// As in trec_eval, passages rank by score in float precision and, where scores are equal, by passage id, the larger
// bytes first; a passage without judgement is not relevant; relevant means a relevance of 1 or more, or what `rel`
// says. As in ir_measures (and trec_eval -c), means are over all judged queries: one that the run lacks counts 0, one
// that is not judged counts not at all. Sources: trec_eval's m_ndcg_cut.c, m_recip_rank.c, m_P.c, m_recall.c, m_map.c,
// m_map_cut.c, m_success.c, m_bpref.c, form_res_rels.c; gdeval.pl for ERR and the exponential nDCG.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/trec.h"
#include "rerank/error.h"

namespace rerank::evaluation {

struct Measure {
  enum class Kind {
    kNdcg,                // DCG / ideal DCG; gain = relevance (0 when negative), discount = 1 / log2(rank + 1)
    kExpNdcg,             // the same with gain = 2^relevance - 1
    kRecipRank,           // 1 / rank of the first relevant passage
    kPrecision,           // relevant among the first k / k, however short the ranking is
    kRecall,              // relevant among the first k / all relevant
    kAveragePrecision,    // precision at each relevant passage, summed / all relevant
    kSuccess,             // 1 when one of the first k is relevant
    kRankBiased,          // (1 - p) * sum over relevant passages of p^(rank - 1)
    kExpectedReciprocal,  // ERR: the expected 1 / rank at which a reader stops; grades from 0 to 4
    kJudged,              // judged among the first k / those k, or fewer where the ranking is shorter
    kBpref,               // relevant passages by how few judged not relevant stand before them
    kPairedAccuracy,      // of queries KEY_q1 and KEY_q2, see paired_measures.h
    kPMrr,                // of queries KEY-og and KEY-changed, with the passages that they judge differently
  };

  Kind kind = Kind::kNdcg;
  std::size_t cutoff = 0;    // only the first `cutoff` ranks count; 0: all of them
  int relevant_from = 1;     // the least relevance that is relevant
  double persistence = 0.8;  // p of kRankBiased
  std::string name;          // as it was asked for: "nDCG@10"

  // Whether it is of two queries together. Both have its value then, so they are no independent samples.
  bool is_paired() const { return kind == Kind::kPairedAccuracy || kind == Kind::kPMrr; }
};

// Names as ir_measures writes them, in any case: NAME, NAME@K, NAME(rel=2)@K.
//   nDCG, nDCG(dcg=exp-log2), RR or MRR, AP or MAP, RBP, RBP(p=0.5), ERR, Judged, and with "@K" required P, R or
//   Recall, Success; Bpref, PairedAccuracy and p-MRR without it. "rel=N" goes with all but nDCG, ERR, Judged and the
//   latter two.
// kBadInput lists what there is.
Result<Measure> parse_measure(std::string_view name);
// The same for a list divided by commas: "nDCG@10,RBP(rel=1,p=0.5)".
Result<std::vector<Measure>> parse_measures(std::string_view names);

// kBadInput where one of them is paired: a comparison of rankings query by query would count each pair twice.
Status check_unpaired(std::span<const Measure> measures);

struct QueryValues {
  std::string query_id;
  bool in_run = false;         // false: every value is 0
  std::vector<double> values;  // [measures]
};

struct Evaluation {
  std::vector<double> means;         // [measures], over `queries`
  std::vector<QueryValues> queries;  // all judged queries, in the order of the qrels
  std::size_t missing_from_run = 0;  // judged queries that the run lacks
  std::size_t not_judged = 0;        // queries of the run without a judgement, which count nowhere
};

// Every measure of every judged query, and their means. A query that belongs to no pair that counts has 0 of a paired
// measure, whose mean is over the pairs that do.
Evaluation evaluate(const Qrels& qrels, const Run& run, std::span<const Measure> measures);

}  // namespace rerank::evaluation
