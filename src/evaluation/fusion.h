// Several rankings of the same queries, made into one.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "evaluation/trec.h"

namespace rerank::evaluation {

enum class Fusion {
  kZScore,          // a query's scores are brought to mean 0 and standard deviation 1, and added
  kMinMax,          // they are brought to the range 0 to 1, and added
  kReciprocalRank,  // 1 / (constant + rank) is added, ranks from 1: scores only give the order (Cormack, Clarke and
                    // Buettcher, SIGIR 2009)
};

struct FusionOptions {
  Fusion method = Fusion::kZScore;
  std::vector<double> weights;  // [runs], what each run's part is multiplied by
  double rank_constant = 60;    // kReciprocalRank
  std::size_t top_k = 0;        // passages of each query to keep; 0: all
};

struct FusedRun {
  Run run;                           // queries as the runs first name them; passages best first, as sort_as_trec_eval
  std::vector<std::size_t> lacking;  // [runs]: of these queries, how many a run does not rank
};

// A passage that a run does not rank counts there as that run's last one, by reciprocal rank as 0. A query that a run
// does not rank gets nothing from it. Scores that are all equal count 0. options.weights.size() == runs.size().
FusedRun fuse(std::span<const Run> runs, const FusionOptions& options);

}  // namespace rerank::evaluation
