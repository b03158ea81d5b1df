// What is served: OpenAI's list of models, and TEI's /info.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using io::json_string;

std::string model_json(const ServedModel& model, std::int64_t created) {
  return fmt::format(
      R"({{"id":{},"object":"model","created":{},"owned_by":"rerank.cpp","ready":{},"method":{},"max_model_len":{}}})",
      json_string(model.name), created, model.ready, json_string(model.info.method), model.info.max_positions);
}

// infinity's members, of which its clients want all, and no other owner.
std::string infinity_json(const ServedModel& model, const Catalog& catalog) {
  const std::size_t waiting = model.waiting_pairs ? model.waiting_pairs() : 0;
  const double fraction = static_cast<double>(waiting) / static_cast<double>(catalog.limits.max_documents);
  return fmt::format(
      R"({{"id":{},"stats":{{"queue_fraction":{},"queue_absolute":{},"results_pending":{},"batch_size":{}}},"object":"model","owned_by":"infinity","created":{},"backend":"rerank.cpp","capabilities":["rerank"]}})",
      json_string(model.name), io::json_number(fraction, false), waiting, waiting, catalog.limits.max_batch_tokens,
      catalog.started_unix_time);
}

std::string dtype_name(const std::string& dtype) {
  if (dtype == "f32") return "float32";
  return dtype == "bf16" ? "bfloat16" : dtype;
}

}  // namespace

HttpResponse answer_models(const Catalog& catalog, Dialect dialect) {
  std::string list;
  for (const ServedModel& model : catalog.models) {
    if (!list.empty()) list += ',';
    list +=
        dialect == Dialect::kInfinity ? infinity_json(model, catalog) : model_json(model, catalog.started_unix_time);
  }
  return json_response(fmt::format(R"({{"object":"list","data":[{}]}})", list));
}

HttpResponse answer_model(const HttpRequest& request, const Catalog& catalog, std::string_view name) {
  for (const ServedModel& model : catalog.models)
    if (model.name == name) return json_response(model_json(model, catalog.started_unix_time));
  return refuse(Dialect::kOpenAi, request,
                {Failure::Kind::kNoSuchModel, fmt::format("The model `{}` does not exist", name)});
}

// TEI's members, then what else there is to know. `max_client_batch_size` is what clients split their requests by; here
// only memory limits them.
HttpResponse answer_info(const Catalog& catalog) {
  constexpr std::size_t kTextsPerRequest = 100'000;
  const ServedModel& model = catalog.models[catalog.default_model];
  const ModelInfo& info = model.info;
  std::vector<std::string> names;
  for (const ServedModel& served : catalog.models) names.push_back(json_string(served.name));
  return json_response(fmt::format(
      R"({{"model_id":{},"model_sha":null,"model_dtype":{},"served_model_name":{},"model_type":{{"reranker":{{"id2label":{{"0":"LABEL_0"}},"label2id":{{"LABEL_0":0}}}}}},"max_concurrent_requests":{},"max_input_length":{},"max_batch_tokens":{},"max_batch_requests":null,"max_client_batch_size":{},"auto_truncate":true,"tokenization_workers":{},"version":{},"sha":null,"docker_label":null,"ready":{},"method":{},"architecture":{},"cpu_level":{},"threads":{},"max_body_bytes":{},"models":[{}]}})",
      json_string(model.name), json_string(dtype_name(info.dtype)), json_string(model.name),
      catalog.limits.max_queued_requests,
      model.defaults.max_length > 0 ? model.defaults.max_length : info.max_positions, catalog.limits.max_batch_tokens,
      std::min(kTextsPerRequest, catalog.limits.max_documents), info.threads, json_string(catalog.version), model.ready,
      json_string(info.method), json_string(info.architecture), json_string(info.cpu_level), info.threads,
      catalog.limits.max_body_bytes, fmt::join(names, ",")));
}

}  // namespace rerank::dialects
