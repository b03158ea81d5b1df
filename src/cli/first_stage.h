// What `rerank run` works on: the best passages of a first-stage run, with the texts of a BEIR folder.
#pragma once

#include <CLI/App.hpp>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "evaluation/dataset.h"
#include "rerank/error.h"

namespace rerank::cli {

struct FirstStageOptions {
  std::string dataset, run;
  std::string corpus, topics;  // files (or a folder of texts) in place of the data set's; "" for none
  std::string split = "test";
  bool split_required = false;  // else a data set without that split is taken whole
  std::size_t top_k = 100;
  std::size_t queries = 0;  // only the first ones; 0: all
};

// Adds --dataset, --corpus and --topics.
void add_collection_options(CLI::App& command, FirstStageOptions& options);
// kBadInput where they do not name both passages and queries.
Status check_collection_options(const FirstStageOptions& options);
// Where passages and queries are.
evaluation::Collection collection_of(const FirstStageOptions& options);

struct Candidates {
  std::string query_id, query;
  std::vector<std::string> passage_ids;  // best first, as trec_eval would rank them
};

struct FirstStage {
  std::vector<Candidates> queries;  // in the run's order
  evaluation::Passages passages;    // texts of all candidates
  std::size_t pairs = 0;            // over all queries
  std::size_t not_in_split = 0;     // queries of the run that were left out
};

// A line that cannot be used, a query or passage of the run that the data set lacks, and a passage that its split
// judges and its corpus lacks, go through `unknown`, which returns the error to stop with, or success to leave it out.
// Such errors, and all others, come before anything is scored.
Result<FirstStage> read_first_stage(const FirstStageOptions& options, const std::function<Status(Error)>& unknown);

}  // namespace rerank::cli
