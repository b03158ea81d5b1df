// What happens to a bad line in a large input: --on-error fail|skip.
#pragma once

#include <CLI/App.hpp>
#include <cstddef>

#include "cli/progress.h"
#include "rerank/error.h"

namespace rerank::cli {

enum class OnError {
  kFail,  // stop at the first one; everything before it is written
  kSkip,  // report it, leave its score out, go on
};

void add_on_error(CLI::App& command, OnError& target);

// Applies the rule and counts.
class BadRecords {
 public:
  BadRecords(OnError rule, ProgressBar& bar) : rule_(rule), bar_(bar) {}

  // With kSkip reports the error and returns success; with kFail returns the error.
  Status meet(Error error);
  // Says on stderr how many were skipped, if any were: "2 bad UNITs skipped".
  void summarize(const char* unit);

 private:
  OnError rule_;
  ProgressBar& bar_;
  std::size_t skipped_ = 0;
};

}  // namespace rerank::cli
