#include "dialects/rerank_answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "dialects/score_scale.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using io::json_string;

// Best first; what is equal stays in the order of the request. By what the model gave: a sigmoid makes many equal.
// `missing`: rising indices that stay out.
std::vector<std::size_t> ranking_of(std::span<const Result<Score>> scores, std::span<const std::size_t> missing,
                                    std::size_t top_n) {
  std::vector<std::size_t> ranking;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!std::binary_search(missing.begin(), missing.end(), i)) ranking.push_back(i);
  std::stable_sort(ranking.begin(), ranking.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a].value().value > scores[b].value().value; });
  if (top_n > 0 && ranking.size() > top_n) ranking.resize(top_n);
  return ranking;
}

// Which members an entry has, in which order and under which names.
std::string entry_of(const RerankQuestion& question, std::size_t index, const Score& score, const ModelInfo& model) {
  const auto number = [&](double value, bool is_raw) { return score_text(value, model, question.options, is_raw); };
  const std::string value = number(score.value, question.is_raw);
  const std::string text = question.return_documents ? json_string(question.documents[index]) : "";
  const auto with = [&](const char* form) { return text.empty() ? "" : fmt::format(fmt::runtime(form), text); };
  std::string entry;
  switch (question.dialect) {
    case Dialect::kTei:
      entry = fmt::format(R"({{"index":{},"score":{}{}}})", index, value, with(R"(,"text":{})"));
      break;
    case Dialect::kVoyage:
      entry = fmt::format(R"({{"index":{},"relevance_score":{}{}}})", index, value, with(R"(,"document":{})"));
      break;
    case Dialect::kVllm:
      entry = fmt::format(R"({{"index":{},"document":{{"text":{}}},"relevance_score":{}}})", index, text, value);
      break;
    case Dialect::kInfinity:
      entry = fmt::format(R"({{"relevance_score":{},"index":{},"document":{}}})", value, index,
                          text.empty() ? "null" : text);
      break;
    case Dialect::kXinference:
      entry = fmt::format(R"({{"index":{},"relevance_score":{},"document":{}}})", index, value,
                          text.empty() ? "null" : fmt::format(R"({{"text":{}}})", text));
      break;
    case Dialect::kNvidia:
      entry = fmt::format(R"({{"index":{},"logit":{}}})", index, value);
      break;
    case Dialect::kElastic:
      entry = fmt::format(R"({{"index":{},"relevance_score":{}{}}})", index, value, with(R"(,"text":{})"));
      break;
    default:
      entry =
          fmt::format(R"({{"index":{},"relevance_score":{}{}}})", index, value, with(R"(,"document":{{"text":{}}})"));
  }
  entry.pop_back();
  if (!score.layer_values.empty()) {
    std::vector<std::string> layers;
    for (const double layer : score.layer_values) layers.push_back(number(layer, question.is_raw));
    entry += fmt::format(R"(,"layer_scores":[{}])", fmt::join(layers, ","));
  }
  if (question.return_reasoning && model.method == "reasoning")
    entry += fmt::format(R"(,"reasoning":{},"finished":{})", json_string(score.reasoning), score.finished);
  if (question.return_tokens) entry += fmt::format(R"(,"tokens":{},"cut_tokens":{})", score.tokens, score.cut_tokens);
  return entry + "}";
}

std::string body_of(const RerankQuestion& q, const std::string& entries, std::span<const Result<Score>> scores) {
  const Usage usage = usage_of(scores);
  const std::uint64_t prompt = usage.prompt_tokens, total = prompt + usage.new_tokens;
  const std::string model = json_string(q.model_name), id = json_string(q.request_id);
  const std::size_t search_units = std::max<std::size_t>((scores.size() + 99) / 100, 1);
  const std::string usage_text = fmt::format(R"({{"prompt_tokens":{},"total_tokens":{}}})", prompt, total);
  const auto cohere = [&](const char* version) {
    return fmt::format(R"("meta":{{"api_version":{{"version":"{}"}},"billed_units":{{"search_units":{}}}}})", version,
                       search_units);
  };
  switch (q.dialect) {
    case Dialect::kCohere1:
      return fmt::format(R"({{"id":{},"results":[{}],{}}})", id, entries, cohere("1"));
    case Dialect::kCohere2:
      return fmt::format(R"({{"id":{},"results":[{}],{}}})", id, entries, cohere("2"));
    case Dialect::kJina:
      return fmt::format(
          R"({{"model":{},"object":"list","usage":{{"total_tokens":{},"prompt_tokens":{}}},"results":[{}]}})", model,
          total, prompt, entries);
    case Dialect::kVoyage:
      return fmt::format(R"({{"object":"list","data":[{}],"model":{},"usage":{{"total_tokens":{}}}}})", entries, model,
                         total);
    case Dialect::kVllm:
      return fmt::format(R"({{"id":{},"model":{},"usage":{},"results":[{}]}})", json_string("rerank-" + q.request_id),
                         model, usage_text, entries);
    case Dialect::kLlamaCpp:
      return fmt::format(R"({{"model":{},"object":"list","usage":{},"results":[{}]}})", model, usage_text, entries);
    case Dialect::kInfinity:
      return fmt::format(R"({{"object":"rerank","results":[{}],"model":{},"usage":{},"id":{},"created":{}}})", entries,
                         model, usage_text, json_string("infinity-" + q.request_id), q.unix_time);
    case Dialect::kXinference:
      return fmt::format(
          R"({{"id":{},"results":[{}],"meta":{{"api_version":null,"billed_units":null,"tokens":{{"input_tokens":{},"output_tokens":{}}},"warnings":null}}}})",
          id, entries, prompt, usage.new_tokens);
    case Dialect::kNvidia:
      return fmt::format(R"({{"rankings":[{}],"usage":{}}})", entries, usage_text);
    case Dialect::kElastic:
      return fmt::format(R"({{"rerank":[{}]}})", entries);
    default:
      return fmt::format(R"({{"id":{},"model":{},"object":"list","usage":{},"results":[{}],{}}})", id, model,
                         usage_text, entries, cohere("1"));
  }
}

// The layer that the scores come from, of a model that can be asked at several.
std::optional<int> layer_of(const ModelInfo& model, const ScoreOptions& options) {
  const std::vector<int>& layers = model.cutoff_layers;
  if (layers.empty()) return std::nullopt;
  int highest = 0;
  for (const int asked : options.cutoff_layers)
    if (std::find(layers.begin(), layers.end(), asked) != layers.end()) highest = std::max(highest, asked);
  return highest > 0 ? highest : *std::max_element(layers.begin(), layers.end());
}

// As many as a header may hold.
std::string short_list(std::span<const std::size_t> indices) {
  constexpr std::size_t kMost = 100;
  const std::string list = fmt::format("{}", fmt::join(indices.first(std::min(indices.size(), kMost)), ","));
  return indices.size() > kMost ? list + ",..." : list;
}

HttpResponse answer(const RerankQuestion& question, const HttpRequest& request, std::span<const Result<Score>> scores,
                    std::span<const std::size_t> missing, const ModelInfo& model) {
  if (const auto failure = first_failure(scores)) return refuse(question.dialect, request, *failure);
  std::string entries;
  for (const std::size_t index : ranking_of(scores, missing, question.top_n)) {
    if (!entries.empty()) entries += ',';
    entries += entry_of(question, index, scores[index].value(), model);
  }
  if (question.dialect != Dialect::kTei) {
    std::string body = body_of(question, entries, scores);
    body.pop_back();
    body += report_members(scores, model, question.options, question.is_raw);
    if (!missing.empty()) body += fmt::format(R"(,"partial":true,"unscored":[{}])", fmt::join(missing, ","));
    return json_response(body + "}");
  }
  HttpResponse response = json_response("[" + entries + "]");
  for (auto& header : report_headers(scores, model, question.is_raw)) response.headers.push_back(std::move(header));
  if (!missing.empty()) response.headers.emplace_back("X-Unscored", short_list(missing));
  return response;
}

std::string event(const std::string& data) {
  return "data: " + data + "\n\n";
}

}  // namespace

std::optional<Failure> first_failure(std::span<const Result<Score>> scores) {
  for (const Result<Score>& score : scores)
    if (!score.ok()) return failure_of(score.error());
  return std::nullopt;
}

Usage usage_of(std::span<const Result<Score>> scores) {
  Usage usage;
  for (const Result<Score>& score : scores) {
    if (!score.ok()) continue;
    usage.prompt_tokens += score.value().tokens;
    usage.new_tokens += score.value().new_tokens;
  }
  return usage;
}

std::string report_members(std::span<const Result<Score>> scores, const ModelInfo& model, const ScoreOptions& options,
                           bool is_raw) {
  std::string members = fmt::format(R"(,"score_kind":"{}")", kind_of_score(model, is_raw));
  if (const auto layer = layer_of(model, options)) members += fmt::format(R"(,"layer":{})", *layer);
  std::vector<std::string> cut;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i].ok() && scores[i].value().cut_tokens > 0)
      cut.push_back(fmt::format(R"({{"index":{},"tokens":{},"cut_tokens":{}}})", i, scores[i].value().tokens,
                                scores[i].value().cut_tokens));
  if (!cut.empty()) members += fmt::format(R"(,"truncated":[{}])", fmt::join(cut, ","));
  return members;
}

Headers report_headers(std::span<const Result<Score>> scores, const ModelInfo& model, bool is_raw) {
  Headers headers = {{"X-Score-Kind", std::string(kind_of_score(model, is_raw))}};
  std::vector<std::size_t> cut;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i].ok() && scores[i].value().cut_tokens > 0) cut.push_back(i);
  if (!cut.empty()) headers.emplace_back("X-Truncated", short_list(cut));
  return headers;
}

HttpResponse answer_rerank(const RerankQuestion& question, const HttpRequest& request,
                           std::span<const Result<Score>> scores, const ModelInfo& model) {
  return answer(question, request, scores, {}, model);
}

HttpResponse answer_rerank_partly(const RerankQuestion& question, const HttpRequest& request, PartOfScores scores,
                                  const ModelInfo& model) {
  std::vector<Result<Score>> all;
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!scores[i]) missing.push_back(i);
    all.push_back(scores[i].value_or(Score()));
  }
  return answer(question, request, all, missing, model);
}

ScoreEvents rerank_events(std::shared_ptr<const RerankQuestion> question, std::shared_ptr<const HttpRequest> request) {
  ScoreEvents events;
  events.reasoning = [](std::size_t index, std::string_view text) {
    return event(fmt::format(R"({{"index":{},"reasoning_delta":{}}})", index, json_string(text)));
  };
  events.scored = [question](std::size_t index, const Result<Score>& score, const ModelInfo& model) {
    if (!score.ok())
      return event(fmt::format(R"({{"index":{},"error":{}}})", index, json_string(score.error().message())));
    return event(entry_of(*question, index, score.value(), model));
  };
  events.last = [question, request](std::span<const Result<Score>> scores, const ModelInfo& model) {
    if (const auto failure = first_failure(scores)) return failed_event(*failure) + "data: [DONE]\n\n";
    return event(answer_rerank(*question, *request, scores, model).body) + "data: [DONE]\n\n";
  };
  events.last_partly = [question, request](PartOfScores scores, const ModelInfo& model) {
    return event(answer_rerank_partly(*question, *request, scores, model).body) + "data: [DONE]\n\n";
  };
  events.failed = failed_event;
  return events;
}

}  // namespace rerank::dialects
