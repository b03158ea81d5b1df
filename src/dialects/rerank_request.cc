// Requests to rank documents, in every dialect.
#include <fmt/format.h>

#include <iterator>

#include "base/try.h"
#include "dialects/choose_model.h"
#include "dialects/documents.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "dialects/rerank_answer.h"

namespace rerank::dialects {
namespace {

using Kind = Failure::Kind;

const char* documents_key(Dialect dialect) {
  if (dialect == Dialect::kTei) return "texts";
  if (dialect == Dialect::kNvidia) return "passages";
  return dialect == Dialect::kElastic ? "input" : "documents";
}

std::variant<std::string, Failure> read_query(const Asked& asked) {
  const auto query = asked.body.find("query");
  const bool is_llama_cpp = asked.dialect == Dialect::kLlamaCpp;
  if (!query) {
    if (is_llama_cpp) return Failure{Kind::kInvalid, "\"query\" must be provided"};
    return Failure{Kind::kInvalid, "the key \"query\" is missing: it holds the text that documents are ranked for"};
  }
  if (!query->is_string() && !query->is_object() && is_llama_cpp)
    return Failure{Kind::kInvalid, "\"query\" must be a string"};
  auto text = text_of_document(*query);
  if (!text.ok()) return invalid(text.error());
  return std::move(text).value();
}

// The texts that were looked for under a key that is not there.
Failure missing_documents(const Asked& asked, const char* key) {
  for (const char* other : {"texts", "documents", "passages", "input"})
    if (asked.body.has(other) && std::string_view(other) != key)
      return {Kind::kInvalid, fmt::format("the key \"{}\" is missing: on this path it holds the texts to rank; \"{}\" "
                                          "is understood at /rerank",
                                          key, other)};
  return {Kind::kInvalid,
          "the texts to rank are missing: they stand under \"documents\" (Cohere, Jina, vLLM and others) or \"texts\" "
          "(TEI)"};
}

std::optional<Failure> read_documents(const Asked& asked, std::vector<std::string>& texts) {
  const char* key = documents_key(asked.dialect);
  const auto list = asked.body.find(key);
  const bool is_llama_cpp = asked.dialect == Dialect::kLlamaCpp;
  const Failure not_texts{Kind::kInvalid, "\"documents\" must be a non-empty string array"};
  if (!list) return is_llama_cpp ? not_texts : missing_documents(asked, key);
  const auto fields = asked.body.texts("rank_fields");
  if (!fields.ok()) return invalid(fields.error());
  auto documents = texts_of_documents(*list, fields.value().value_or(std::vector<std::string>()));
  if (is_llama_cpp && (!documents.ok() || documents.value().empty())) return not_texts;
  if (!documents.ok()) return invalid(documents.error());
  if (documents.value().empty()) return Failure{Kind::kEmpty, fmt::format("`{}` cannot be empty", key)};
  if (documents.value().size() > asked.catalog.limits.max_documents)
    return too_many_documents(documents.value().size(), asked.catalog.limits);
  texts.insert(texts.end(), std::make_move_iterator(documents.value().begin()),
               std::make_move_iterator(documents.value().end()));
  return std::nullopt;
}

Result<std::size_t> read_top_n(const Asked& asked) {
  const bool zero_is_all = asked.dialect == Dialect::kVllm || asked.dialect == Dialect::kCommon;
  std::size_t top_n = 0;
  for (const char* key : {"top_n", "top_k"}) {
    RERANK_ASSIGN(const auto given, asked.body.integer(key, zero_is_all ? 0 : 1));
    if (given) top_n = static_cast<std::size_t>(*given);
  }
  return top_n;
}

Result<bool> read_return_documents(const Asked& asked) {
  if (asked.dialect == Dialect::kVllm) return true;
  if (asked.dialect == Dialect::kNvidia) return false;
  const char* key = asked.dialect == Dialect::kTei ? "return_text" : "return_documents";
  RERANK_ASSIGN(const auto given, asked.body.flag(key));
  return given.value_or(asked.dialect == Dialect::kJina);
}

}  // namespace

Job read_rerank(const Asked& asked) {
  const auto model = choose_model(asked.body, asked.catalog, false);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto query = read_query(asked);
  if (const auto* failure = std::get_if<Failure>(&query)) return asked.refuse(*failure);

  ScoreJob job;
  job.texts.push_back(std::move(std::get<std::string>(query)));
  if (const auto failure = read_documents(asked, job.texts)) return asked.refuse(*failure);
  const auto top_n = read_top_n(asked);
  if (!top_n.ok()) return asked.refuse(Failure{Kind::kOutOfRange, top_n.error().message()});
  const auto return_documents = read_return_documents(asked);
  if (!return_documents.ok()) return asked.refuse(return_documents.error());
  job.model = std::get<ChosenModel>(model).index;
  auto settings = read_score_settings(asked.body, asked.catalog.models[job.model].defaults);
  if (!settings.ok()) return asked.refuse(settings.error());
  if (asked.dialect == Dialect::kXinference && asked.body.find("max_chunks_per_doc"))
    return asked.refuse(invalid("max_chunks_per_doc is not supported here; long_document_strategy \"chunk\" is"));

  auto question = std::make_shared<RerankQuestion>();
  question->dialect = asked.dialect;
  question->request_id = asked.request.id;
  question->model_name = std::get<ChosenModel>(model).name;
  question->unix_time = asked.request.unix_time;
  question->top_n = top_n.value();
  question->return_documents = return_documents.value();
  question->return_reasoning = settings.value().return_reasoning;
  question->return_tokens = settings.value().return_tokens;
  question->is_raw = settings.value().is_raw || asked.dialect == Dialect::kNvidia;
  question->options = settings.value().options;
  for (std::size_t i = 1; i < job.texts.size(); ++i) job.pairs.push_back({0, static_cast<std::uint32_t>(i)});
  if (question->return_documents) question->documents.assign(job.texts.begin() + 1, job.texts.end());

  job.options = settings.value().options;
  job.fitting = settings.value().fitting;
  job.timeout = settings.value().timeout;
  // Only what refusals look at.
  auto request = std::make_shared<HttpRequest>();
  request->path = asked.request.path;
  request->method = asked.request.method;
  request->id = asked.request.id;
  job.answer = [question, request](std::span<const Result<Score>> scores, const ModelInfo& info) {
    return answer_rerank(*question, *request, scores, info);
  };
  if (settings.value().allow_partial)
    job.answer_partly = [question, request](PartOfScores scores, const ModelInfo& info) {
      return answer_rerank_partly(*question, *request, scores, info);
    };
  if (settings.value().stream) job.events = rerank_events(question, request);
  return job;
}

}  // namespace rerank::dialects
