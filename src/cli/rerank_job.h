// Scores the candidates of queries and writes the ranking of each as soon as it is known, in a file that can be
// resumed, with its manifest and its figures beside it: what `run` and `eval-protocol` do.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cli/bad_records.h"
#include "cli/earlier_run.h"
#include "cli/first_stage.h"
#include "cli/model_options.h"
#include "cli/progress.h"
#include "rerank/engine.h"
#include "rerank/error.h"

namespace rerank::cli {

struct RerankTask {
  const ModelOptions& model;
  const FirstStage& stage;
  std::string output;                                               // a TREC run file; "-": stdout
  std::vector<std::pair<std::string, std::filesystem::path>> data;  // as RunFacts::data; none of them may be the output
  std::vector<std::pair<std::string, std::string>> selection;       // as RunFacts::selection
  bool resume = false, allow_mixed = false;
  std::size_t progressive = 0;  // only the best so many of each query, found by rank_progressively(); 0: all
  ProgressiveOptions progressive_options = {};
};

// What the output holds that need not be scored again; nothing without `resume`. kBadInput where that is not a file of
// these queries; kIo.
Result<EarlierRun> find_earlier(const RerankTask& task);

// Tells how many queries the output holds now: all, or fewer where the user has interrupted. The first error; all
// queries before it are written by then.
Result<std::size_t> rerank(const RerankTask& task, const Engine& engine, EarlierRun earlier, ProgressBar& bar,
                           BadRecords& bad);

}  // namespace rerank::cli
