// What each query took `rerank run`: one JSON object a line, in a file beside the ranking, which `rerank report` plots.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/bad_line.h"
#include "evaluation/trec.h"
#include "io/output.h"
#include "rerank/error.h"

namespace rerank::cli {

struct QueryStats {
  std::string query_id;
  std::uint64_t passages = 0;    // in its ranking
  double seconds = 0;            // from the beginning of its engine call to its last score
  std::uint64_t tokens = 0;      // of its pairs, as Score::tokens
  std::uint64_t cut_tokens = 0;  // that truncation left out
  std::uint64_t new_tokens = 0;  // that a reasoning model wrote
  // What the engine did for it, which is known where no other query was in the call.
  struct Alone {
    double cpu_seconds = 0;             // of all threads
    std::uint64_t tokens_computed = 0;  // as Work::tokens_computed
  };
  std::optional<Alone> alone;
};

// "OUTPUT.stats.jsonl".
std::string query_stats_path(const std::string& output);

class QueryStatsWriter {
 public:
  // For a ranking that is being written to `output`: none is kept where that is stdout or no regular file. With
  // `resume` goes on behind the whole lines that are there. kNotFound or kIo.
  static Result<QueryStatsWriter> open(const std::string& output, bool resume);

  // Appends a line and flushes. kIo.
  Status write(const QueryStats& stats);
  Status close();

 private:
  explicit QueryStatsWriter(std::optional<io::OutputFile> file) : file_(std::move(file)) {}
  std::optional<io::OutputFile> file_;
};

// What the file beside a ranking says, in its order; nothing where there is no file. Of several lines of one query,
// which resuming makes, the last counts. kBadInput, with file and line, for a line that is none of ours or is not about
// `run`, where `bad` does not let it pass; kIo.
Result<std::vector<QueryStats>> read_query_stats(const std::string& ranking_file, const evaluation::Run& run,
                                                 const evaluation::BadLine& bad);

}  // namespace rerank::cli
