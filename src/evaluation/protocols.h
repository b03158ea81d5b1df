// How published evaluations were made, as data: which queries and passages, which text of them, what the model is
// asked, what is measured, and what was published. One procedure (protocol_data.h, then scoring, then
// protocol_result.h) runs them all; a new protocol is a new row.
//
// Sources: lightblue-tech/lb-reranker run_bier.ipynb and beir; FlagOpen/FlagEmbedding abc/evaluation and its model
// cards; orionw/rank1 run_mteb.py with mteb's retrieval_metrics.py; arXiv 2502.18418.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank::evaluation {

// Numbers of one measure that were published, a column a model.
struct PublishedTable {
  std::string_view measure;  // as in Protocol::measures
  bool percent = false;      // printed as a percentage
  int digits = 0;            // behind the point, as printed
  std::span<const std::string_view> models;
  struct Row {
    std::string_view dataset;      // "mean": as stated for all of them
    std::array<double, 7> values;  // [models], as printed; kNone where there is none
  };
  std::span<const Row> rows;

  static constexpr double kNone = -1000;
  // What was published of a data set for the model in that column.
  std::optional<double> value(std::string_view dataset, std::size_t model) const;
};

struct Protocol {
  std::string_view name;   // "lb-beir"
  std::string_view title;  // what it is, one line

  // Where the parts of a data set are, below the folder of all data. {dataset} and {split} stand for these; of several
  // places the first that exists counts, and each may be packed (.gz, .zst). A folder that is a data set itself takes
  // the place of "{dataset}".
  std::string_view split;
  std::string_view msmarco_split = {};  // of MS MARCO, whose test judgements are few; "": the same
  // "X/Y" is a part of X, whose figures are the means of its parts'.
  std::span<const std::string_view> datasets;
  std::span<const std::string_view> corpus, queries, qrels;
  std::span<const std::string_view> examples = {};  // judgements in BRIGHT's form, where there are no qrels
  std::span<const std::string_view> first_stages;   // the rankings to rerank
  // Passages of each query, where there is no first stage: lines {"query-id", "corpus-ids"}; without them, all
  // passages.
  std::span<const std::string_view> top_ranked = {};
  std::span<const std::string_view> instructions = {};  // lines {"query-id", "instruction"}
  std::span<const std::string_view> changed = {};       // lines {"query-id", "corpus-ids"}: see ChangedPassages

  // Only the first judged queries, by id as strings in byte order; 0: all of them.
  std::size_t first_queries = 0;
  enum class Strip { kAlways, kWithTitle };  // blanks around a passage's "TITLE TEXT": of all, or of those with a title
  Strip strip = Strip::kAlways;
  bool drop_identical_ids = false;  // a passage with the query's id
  bool drop_excluded = false;       // passages that the judgements exclude for this query
  std::size_t top_k = 100;          // of the first stage, behind that

  // Names under which a prompt file may have the data set's, the first that is there counts; FILL_QUERY_HERE in it is
  // the query. Empty: the protocol has no prompts.
  std::span<const std::string_view> prompt_names = {};

  // What the model is asked; 0 and the first of the words are the model's own defaults.
  int max_length = 0, query_max_length = 0;
  int top_logprobs = 0;
  Readout readout = Readout::kExpectedValue;
  Verdict verdict = Verdict::kForced;

  // The first is the main one. Means are over the queries that were ranked; kPairedAccuracyName and kPMrrName are names
  // here too, and "NAME-og" and "NAME-changed" are means over the queries that end so.
  std::span<const std::string_view> measures;
  std::string_view over_all_judged = {};  // measures that begin so are means over all judged queries
  int digits = 5;                         // means are rounded to, as Python's round() does

  std::span<const PublishedTable> published;
};

inline constexpr std::string_view kPairedAccuracyName = "PairedAccuracy", kPMrrName = "p-MRR";

std::span<const Protocol> protocols();
// kBadInput lists them all.
Result<const Protocol*> find_protocol(std::string_view name);

// The nearest number with so many decimal digits, as Python's round() has it: exactly half goes to the even digit.
double rounded(double value, int digits);

}  // namespace rerank::evaluation
