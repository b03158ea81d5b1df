// Requests for scores in the order given: vLLM's /score and TEI's /predict.
#include <fmt/format.h>

#include "base/try.h"
#include "dialects/choose_model.h"
#include "dialects/documents.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "dialects/rerank_answer.h"
#include "dialects/score_options.h"
#include "dialects/score_scale.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using io::json_string;

struct TwoLists {
  std::vector<std::string> left, right;
};

// A text, a list of documents, or vLLM's object with a list of parts.
Result<std::vector<std::string>> texts_of(const io::Json& json) {
  if (json.is_string()) return std::vector<std::string>{std::string(json.string().value())};
  return texts_of_documents(json);
}

Result<TwoLists> read_lists(const Body& body) {
  for (const auto& [left, right] : {std::pair{"queries", "documents"}, std::pair{"queries", "items"},
                                    std::pair{"data_1", "data_2"}, std::pair{"text_1", "text_2"}}) {
    const auto first = body.find(left), second = body.find(right);
    if (!first || !second) continue;
    TwoLists lists;
    RERANK_ASSIGN(lists.left, texts_of(*first));
    RERANK_ASSIGN(lists.right, texts_of(*second));
    return lists;
  }
  return Error{Error::Code::kBadInput, "the texts to compare are missing", "request",
               "give \"text_1\" and \"text_2\", or \"queries\" and \"documents\""};
}

// One with one, one with many, or as many with as many.
Result<std::vector<ScoreJob::PairOfTexts>> pair_up(const TwoLists& lists) {
  const std::size_t left = lists.left.size(), right = lists.right.size();
  if (left == 0 || right == 0)
    return Error{Error::Code::kBadInput, "at least one text is needed on each side", "request", ""};
  if (left != right && left != 1)
    return Error{Error::Code::kBadInput, fmt::format("{} texts cannot be paired with {}", left, right), "request",
                 "give one text and a list, or two lists of the same length"};
  std::vector<ScoreJob::PairOfTexts> pairs;
  for (std::size_t i = 0; i < right; ++i)
    pairs.push_back({static_cast<std::uint32_t>(left == 1 ? 0 : i), static_cast<std::uint32_t>(left + i)});
  return pairs;
}

HttpRequest without_body(const HttpRequest& request) {
  HttpRequest rest;
  rest.method = request.method;
  rest.path = request.path;
  rest.id = request.id;
  rest.unix_time = request.unix_time;
  return rest;
}

void apply(const ScoreSettings& settings, std::size_t model, ScoreJob& job) {
  job.model = model;
  job.options = settings.options;
  job.fitting = settings.fitting;
  job.timeout = settings.timeout;
}

std::string vllm_answer(const HttpRequest& request, const std::string& model_name, const ScoreOptions& options,
                        bool is_raw, std::span<const Result<Score>> scores, const ModelInfo& model) {
  std::string data;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (i > 0) data += ',';
    data += fmt::format(R"({{"index":{},"object":"score","score":{}}})", i,
                        score_text(scores[i].value().value, model, options, is_raw));
  }
  const Usage usage = usage_of(scores);
  return fmt::format(
      R"({{"id":{},"object":"list","created":{},"model":{},"data":[{}],"usage":{{"prompt_tokens":{},"total_tokens":{},"completion_tokens":{}}}{}}})",
      json_string("score-" + request.id), request.unix_time, json_string(model_name), data, usage.prompt_tokens,
      usage.prompt_tokens + usage.new_tokens, usage.new_tokens, report_members(scores, model, options, is_raw));
}

// /predict: one pair ["a", "b"], or a list of them.
Result<std::vector<std::vector<std::string>>> read_inputs(const Body& body, bool& is_single) {
  RERANK_ASSIGN(const io::Json inputs, body.root().get("inputs"));
  const auto texts_of = [](const io::Json& json) -> Result<std::vector<std::string>> {
    std::vector<std::string> texts;
    RERANK_ASSIGN(const auto array, json.array());
    std::size_t i = 0;
    for (const simdjson::dom::element element : array) {
      RERANK_ASSIGN(const std::string_view text, json.item(element, i++).string());
      texts.emplace_back(text);
    }
    if (texts.size() != 2) return json.expected("a pair of texts: this model scores a query and a passage");
    return texts;
  };
  if (!inputs.is_array()) return inputs.expected("a pair of texts: this model scores a query and a passage");
  const auto array = inputs.array().value();
  is_single = array.size() > 0 && array.at(0).is_string();
  std::vector<std::vector<std::string>> pairs;
  if (is_single) {
    RERANK_ASSIGN(auto pair, texts_of(inputs));
    pairs.push_back(std::move(pair));
    return pairs;
  }
  std::size_t i = 0;
  for (const simdjson::dom::element element : array) {
    RERANK_ASSIGN(auto pair, texts_of(inputs.item(element, i++)));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace

Job read_pairs(const Asked& asked) {
  const auto model = choose_model(asked.body, asked.catalog, false);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto lists = read_lists(asked.body);
  if (!lists.ok()) return asked.refuse(lists.error());
  auto pairs = pair_up(lists.value());
  if (!pairs.ok()) return asked.refuse(pairs.error());
  if (pairs.value().size() > asked.catalog.limits.max_documents)
    return asked.refuse(too_many_documents(pairs.value().size(), asked.catalog.limits));
  const auto& [index, name] = std::get<ChosenModel>(model);
  const auto settings = read_score_settings(asked.body, asked.catalog.models[index].defaults);
  if (!settings.ok()) return asked.refuse(settings.error());

  ScoreJob job;
  apply(settings.value(), index, job);
  job.pairs = std::move(pairs).value();
  job.texts = std::move(lists.value().left);
  for (std::string& text : lists.value().right) job.texts.push_back(std::move(text));
  job.answer = [dialect = asked.dialect, request = without_body(asked.request), model_name = name,
                options = settings.value().options,
                is_raw = settings.value().is_raw](std::span<const Result<Score>> scores, const ModelInfo& info) {
    if (const auto failure = first_failure(scores)) return refuse(dialect, request, *failure);
    return json_response(vllm_answer(request, model_name, options, is_raw, scores, info));
  };
  return job;
}

Job read_predict(const Asked& asked) {
  const auto model = choose_model(asked.body, asked.catalog, false);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  bool is_single = false;
  auto inputs = read_inputs(asked.body, is_single);
  if (!inputs.ok()) return asked.refuse(inputs.error());
  if (inputs.value().empty()) return asked.refuse(Failure{Failure::Kind::kEmpty, "`inputs` cannot be empty"});
  if (inputs.value().size() > asked.catalog.limits.max_documents)
    return asked.refuse(too_many_documents(inputs.value().size(), asked.catalog.limits));
  const std::size_t index = std::get<ChosenModel>(model).index;
  const auto settings = read_score_settings(asked.body, asked.catalog.models[index].defaults);
  if (!settings.ok()) return asked.refuse(settings.error());

  ScoreJob job;
  apply(settings.value(), index, job);
  job.is_prediction = true;
  for (std::vector<std::string>& pair : inputs.value()) {
    const auto at = static_cast<std::uint32_t>(job.texts.size());
    job.pairs.push_back({at, at + 1});
    for (std::string& text : pair) job.texts.push_back(std::move(text));
  }
  job.answer = [dialect = asked.dialect, request = without_body(asked.request), options = settings.value().options,
                is_raw = settings.value().is_raw,
                is_single](std::span<const Result<Score>> scores, const ModelInfo& info) {
    if (const auto failure = first_failure(scores)) return refuse(dialect, request, *failure);
    std::string body;
    for (const Result<Score>& score : scores) {
      if (!body.empty()) body += ',';
      body +=
          fmt::format(R"([{{"score":{},"label":"LABEL_0"}}])", score_text(score.value().value, info, options, is_raw));
    }
    HttpResponse response = json_response(is_single ? body : "[" + body + "]");
    for (auto& header : report_headers(scores, info, is_raw)) response.headers.push_back(std::move(header));
    return response;
  };
  return job;
}

}  // namespace rerank::dialects
