// From what a model gives to what a client is shown.
#pragma once

#include <string>
#include <string_view>

#include "rerank/engine.h"
#include "rerank/options.h"

namespace rerank::dialects {

// As ScoreOptions::normalize would have given it, to the last bit. Reasoning gives a probability already.
double normalized(double score, const ModelInfo& model, const ScoreOptions& options);

// "raw" (a logit), "sigmoid", "expectation" (1 to 7), "normalized_expectation" or "probability".
std::string_view kind_of_score(const ModelInfo& model, bool is_raw);

// The number in JSON: as many digits as give it back.
std::string score_text(double score, const ModelInfo& model, const ScoreOptions& options, bool is_raw);

}  // namespace rerank::dialects
