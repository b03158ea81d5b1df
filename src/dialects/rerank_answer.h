// Ranked scores in the words of each dialect.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dialects/dialect.h"
#include "dialects/job.h"
#include "dialects/score_options.h"

namespace rerank::dialects {

// What of a request its answer needs.
struct RerankQuestion {
  Dialect dialect = Dialect::kCommon;
  std::string request_id, model_name;
  std::int64_t unix_time = 0;
  std::size_t top_n = 0;  // 0: all
  bool return_documents = false;
  bool return_reasoning = false;
  bool return_tokens = false;
  bool is_raw = false;
  ScoreOptions options;                // that the scores were made with
  std::vector<std::string> documents;  // only if they are returned
};

// `scores` in the order of the documents.
HttpResponse answer_rerank(const RerankQuestion& question, const HttpRequest& request,
                           std::span<const Result<Score>> scores, const ModelInfo& model);
// Ranks the documents that have a score, and names the others.
HttpResponse answer_rerank_partly(const RerankQuestion& question, const HttpRequest& request, PartOfScores scores,
                                  const ModelInfo& model);

ScoreEvents rerank_events(std::shared_ptr<const RerankQuestion> question, std::shared_ptr<const HttpRequest> request);

// The failure of the first pair that has no score; nothing if all have one.
std::optional<Failure> first_failure(std::span<const Result<Score>> scores);

struct Usage {
  std::uint64_t prompt_tokens = 0, new_tokens = 0;
};
Usage usage_of(std::span<const Result<Score>> scores);

// ,"score_kind":"sigmoid","layer":28,"truncated":[{"index":1,"tokens":512,"cut_tokens":20}]; the layer only of models
// with several heads, the list only where there is something in it.
std::string report_members(std::span<const Result<Score>> scores, const ModelInfo& model, const ScoreOptions& options,
                           bool is_raw);
// The same for answers that are a list: X-Score-Kind, X-Truncated (indices).
Headers report_headers(std::span<const Result<Score>> scores, const ModelInfo& model, bool is_raw);

}  // namespace rerank::dialects
