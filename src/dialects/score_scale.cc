#include "dialects/score_scale.h"

#include <cmath>

#include "io/json_text.h"

namespace rerank::dialects {

double normalized(double score, const ModelInfo& model, const ScoreOptions& options) {
  if (model.method == "reasoning") return score;
  if (model.method == "expectation")
    return options.readout == Readout::kExpectedValue ? (score - 1) / 6 : (score + 1) / 2;
  return 1 / (1 + std::exp(-score));
}

std::string_view kind_of_score(const ModelInfo& model, bool is_raw) {
  if (model.method == "reasoning") return "probability";
  if (model.method == "expectation") return is_raw ? "expectation" : "normalized_expectation";
  return is_raw ? "raw" : "sigmoid";
}

std::string score_text(double score, const ModelInfo& model, const ScoreOptions& options, bool is_raw) {
  const bool is_logit = model.method != "reasoning" && model.method != "expectation";
  return is_raw ? io::json_number(score, is_logit) : io::json_number(normalized(score, model, options), false);
}

}  // namespace rerank::dialects
