// What a ranking was made from and how: a JSON file beside the output of `rerank run`, so that it can be made again,
// and so that a resumed run does not mix two models in one file unseen.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cli/model_options.h"
#include "rerank/engine.h"
#include "rerank/error.h"

namespace rerank::cli {

// "OUTPUT.manifest.json".
std::string manifest_path(const std::string& output);

// What there is to say about a run.
struct RunFacts {
  const ModelOptions& model;
  const ModelInfo& info;
  // Role and path of what was read. What does not exist is left out: a data set without judgements has none to name; of
  // a pipe there is only the path.
  std::vector<std::pair<std::string, std::filesystem::path>> data;
  // What else decides which passages a query's ranking holds: name and value.
  std::vector<std::pair<std::string, std::string>> selection;
  std::size_t queries = 0, pairs = 0;  // of the whole run
};

// Everything in it that decides a score, or which passages are scored, stands under "decides": two runs that agree
// there give the same lines. Beside that, who ran it when, part by part.
class RunManifest {
 public:
  // Hashes model and data. kNotFound or kIo where one of them cannot be read.
  static Result<RunManifest> describe(const std::string& output, const RunFacts& facts);

  // Takes over the parts of the manifest that is there, to go on with a file that holds `queries_before` queries;
  // without one there is only the ranking to go by, and this part says so. kBadInput names what differs from that
  // manifest, or what is wrong with it, unless `allow_mixed`: then this part lists what differs.
  Status resume(std::size_t queries_before, bool allow_mixed);

  // Writes the file, with this part as running; a crash leaves it so. None is kept where the output is stdout or no
  // regular file, so the output must be open by now. kIo.
  Status begin();
  // Writes it anew. `how` is "done", "interrupted" or "failed", `queries_now` the queries in the output. kIo.
  Status end(const std::string& how, std::size_t queries_now);

 private:
  struct Part {
    std::string started, ended, state;
    std::size_t queries_before = 0, queries_after = 0;
    int threads = 0;
    std::vector<std::string> differs;
    bool unknown_before = false;  // goes on behind lines that no manifest speaks of
  };

  RunManifest() = default;
  Status write() const;

  std::string output_, decides_, facts_;  // the latter two as JSON texts
  std::vector<std::string> earlier_;      // parts of the manifest before, as JSON texts
  Part part_;
};

}  // namespace rerank::cli
