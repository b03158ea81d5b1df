// What `rerank verify` found, and how it is told.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/examples.h"

namespace rerank::cli {

// One score beside what was printed for it.
struct Comparison {
  std::size_t run = 0, pair = 0;  // in Examples::runs and ExamplesRun::pairs
  int layer = 0;                  // of several cutoff layers this one; 0: there is but one score
  std::optional<double> got;      // none: the pair could not be scored
  std::string error;              // why not
  std::optional<double> printed;  // none: nothing was printed
  std::optional<double> allowed;  // with `printed`; none: nobody said what this dtype may differ by

  bool compared() const { return allowed.has_value(); }
  double difference() const;  // of `got` and `printed`, which are there
  // A difference within what is allowed; where nothing is said about that, any score.
  bool passes() const;
};

// Scores the pairs of all runs. An error: options that this model cannot take, or another number of cutoff layers than
// the file has scores for.
Result<std::vector<Comparison>> compare(const Engine& engine, const Examples& examples);

// What both reports say.
struct Verification {
  std::string model;
  const ModelInfo& info;
  const Examples& examples;
  const std::vector<Comparison>& rows;

  std::size_t compared() const;
  std::size_t failed() const;
};

// A row a score, then a summary; texts are cut so that rows fit `columns`.
std::string verify_table(const Verification& found, std::size_t columns);
// One JSON object on one line.
std::string verify_json(const Verification& found);
// Of one that failed: how many, which is the first, and what to look at. Lines for stderr.
std::string verify_advice(const Verification& found);

}  // namespace rerank::cli
