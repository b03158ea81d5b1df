// Keys that any request for scores may have, in every dialect's spelling.
#pragma once

#include <chrono>
#include <optional>

#include "dialects/body.h"
#include "dialects/job.h"

namespace rerank::dialects {

struct ScoreSettings {
  ScoreOptions options;
  ScoreJob::Fitting fitting;
  bool is_raw = false;
  bool return_reasoning = false;
  bool return_tokens = false;
  bool stream = false;
  bool allow_partial = false;  // some scores in time rather than none
  std::optional<std::chrono::milliseconds> timeout;
};

// `defaults`: the server's. kBadInput for a key of the wrong type or out of range; keys that are not known are left
// alone.
Result<ScoreSettings> read_score_settings(const Body& body, const ScoreOptions& defaults);

// "timeout", in seconds.
Result<std::optional<std::chrono::milliseconds>> read_timeout(const Body& body);

}  // namespace rerank::dialects
