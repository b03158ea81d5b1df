// What an interrupted `rerank run` left in its output file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/first_stage.h"
#include "rerank/error.h"

namespace rerank::cli {

// Queries are written whole and in the order of the first stage, so the file says how far the run came. Its last query
// may be torn, by a crash, and is therefore scored again; that also shows whether the file is from the same run.
struct EarlierRun {
  std::size_t queries = 0;  // of the first stage that need not be scored again
  std::uint64_t bytes = 0;  // of the file that stay: the lines of those queries
  std::string last_lines;   // the last query, as far as it is there; a torn line is left out

  // Nothing where there is no such file. kBadInput, with file and line, for a line that is not of a run of these
  // queries in this order; kIo.
  static Result<EarlierRun> read(const std::string& path, const FirstStage& stage);
};

}  // namespace rerank::cli
