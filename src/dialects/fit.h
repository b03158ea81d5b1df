// Making the texts of a job fit its model, where the request says how: shorter texts, the end instead of the beginning,
// chunks, or an error instead of a cut.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <variant>
#include <vector>

#include "dialects/job.h"
#include "dialects/token_walk.h"

namespace rerank::dialects {

// What is asked of the model that a job is for.
struct TextTools {
  // As Engine::measure.
  std::function<Result<std::vector<Result<PairTokens>>>(std::span<const Pair> pairs, const ScoreOptions& options)>
      measure;
  TokensOf tokens;
  // That the chunks of a request may take: they can overlap, and each costs more than its text.
  std::size_t max_chunk_bytes = std::numeric_limits<std::size_t>::max();
  std::size_t bytes_per_pair = 0;
};

// For jobs whose `fitting` is needed(); others come back as they are. The job that comes back is ready to run, with its
// own `answer`; a job that cannot is answered at once.
std::variant<ScoreJob, HttpResponse> fit(ScoreJob job, const HttpRequest& request, const TextTools& tools);

}  // namespace rerank::dialects
