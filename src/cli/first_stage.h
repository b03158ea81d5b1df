// What `rerank run` works on: the best passages of a first-stage run, with the texts of a BEIR folder.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "evaluation/dataset.h"
#include "rerank/error.h"

namespace rerank::cli {

struct FirstStageOptions {
  std::string dataset, run;
  std::string split = "test";
  bool split_required = false;  // else a data set without that split is taken whole
  std::size_t top_k = 100;
  std::size_t queries = 0;  // only the first ones; 0: all
};

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

// A query or passage of the run that the data set lacks goes through `unknown`, which returns the error to stop with,
// or success to leave it out. Such errors, and all others, come before anything is scored.
Result<FirstStage> read_first_stage(const FirstStageOptions& options, const std::function<Status(Error)>& unknown);

}  // namespace rerank::cli
