// What eval, compare and report begin with: run files, measured against the same judgements.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "cli/bad_records.h"
#include "cli/query_stats.h"
#include "evaluation/measures.h"
#include "evaluation/trec.h"
#include "rerank/error.h"

namespace rerank::cli {

struct JudgedRunsOptions {
  std::string qrels;
  std::vector<std::string> runs;
  std::string measures = "nDCG@10,MRR@10,P@1,Recall@100,MAP";
  OnError on_error = OnError::kFail;
};

// Adds --qrels, --measures and --on-error.
void add_judgement_options(CLI::App& command, JudgedRunsOptions& options);

enum class Keep { kMeasures, kRuns };  // kRuns: the rankings too, and what they took

struct JudgedRuns {
  evaluation::Qrels qrels;
  std::vector<evaluation::Measure> measures;
  std::vector<std::string> names;                   // [runs]: their files
  std::vector<evaluation::Run> runs;                // [runs], or empty where they were not to be kept
  std::vector<std::vector<QueryStats>> stats;       // [runs], or empty as they; [queries], empty where nothing is known
  std::vector<evaluation::Evaluation> evaluations;  // [runs], each with the same queries in the same order
};

// kBadInput, with file and line, for what cannot be read, and for a run that ranks no judged query. Says on stderr
// which lines are left out, and what a mean hides: judged queries that count 0 because a run lacks them, and queries
// that count nowhere.
Result<JudgedRuns> read_judged_runs(const JudgedRunsOptions& options, Keep keep = Keep::kMeasures);

// The widest of the texts, in columns; ids are opaque bytes, so each byte counts one.
std::size_t widest(const std::vector<std::string>& texts);

}  // namespace rerank::cli
