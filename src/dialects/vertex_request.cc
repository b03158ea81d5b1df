// TEI's /vertex: {"instances": [...]}, each a request to rank or to score a pair, and {"predictions": [...]}.
#include <fmt/format.h>

#include <map>

#include "base/try.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"

namespace rerank::dialects {
namespace {

struct Instance {
  ScoreJob job;
  std::size_t first_pair = 0;
};

// All that decides how pairs are scored, in one text: what is not about the texts or the form of the answer.
Result<std::string> settings_of(const io::Json& instance) {
  std::map<std::string, std::string> settings;
  RERANK_ASSIGN(const auto object, instance.object());
  for (const auto& [key, value] : object)
    if (key != "query" && key != "texts" && key != "inputs" && key != "raw_scores" && key != "return_text")
      settings[std::string(key)] = simdjson::minify(value);
  std::string text;
  for (const auto& [key, value] : settings) text += key + ":" + value + ",";
  return text;
}

// As if it had come alone.
Job read_instance(const Asked& asked, const io::Json& instance) {
  HttpRequest request;
  request.method = "POST";
  request.path = instance.find("query") ? "/tei/rerank" : "/predict";
  request.id = asked.request.id;
  request.unix_time = asked.request.unix_time;
  request.body = simdjson::minify(instance.element());
  return read(request, asked.catalog);
}

void append(ScoreJob& all, const ScoreJob& one) {
  const auto texts = static_cast<std::uint32_t>(all.texts.size());
  for (const auto& pair : one.pairs) all.pairs.push_back({pair.query + texts, pair.passage + texts});
  all.texts.insert(all.texts.end(), one.texts.begin(), one.texts.end());
}

HttpResponse answer_all(const std::vector<Instance>& instances, std::span<const Result<Score>> scores,
                        const ModelInfo& model) {
  std::string predictions;
  for (const Instance& instance : instances) {
    HttpResponse response = instance.job.answer(scores.subspan(instance.first_pair, instance.job.pairs.size()), model);
    if (response.status != 200) return response;
    if (!predictions.empty()) predictions += ',';
    predictions += response.body;
  }
  return json_response(fmt::format(R"({{"predictions":[{}]}})", predictions));
}

}  // namespace

Job read_vertex(const Asked& asked) {
  const auto list = asked.body.root().get("instances");
  if (!list.ok()) return asked.refuse(list.error());
  const auto array = list.value().array();
  if (!array.ok()) return asked.refuse(array.error());
  auto instances = std::make_shared<std::vector<Instance>>();
  ScoreJob all;
  std::string settings;
  std::size_t i = 0;
  for (const simdjson::dom::element element : array.value()) {
    const io::Json json = list.value().item(element, i++);
    const auto own = settings_of(json);
    if (!own.ok()) return asked.refuse(own.error());
    if (instances->empty()) settings = own.value();
    if (own.value() != settings) return asked.refuse(json.expected("the same settings as the instances before it"));
    Job job = read_instance(asked, json);
    if (!std::holds_alternative<ScoreJob>(job)) return job;
    instances->push_back({std::move(std::get<ScoreJob>(job)), all.pairs.size()});
    append(all, instances->back().job);
    instances->back().job.texts.clear();
  }
  if (instances->empty()) return asked.refuse(Failure{Failure::Kind::kEmpty, "`instances` cannot be empty"});
  if (all.pairs.size() > asked.catalog.limits.max_documents)
    return asked.refuse(too_many_documents(all.pairs.size(), asked.catalog.limits));
  const ScoreJob& first = instances->front().job;
  all.model = first.model;
  all.options = first.options;
  all.fitting = first.fitting;
  all.timeout = first.timeout;
  all.answer = [instances](std::span<const Result<Score>> scores, const ModelInfo& model) {
    return answer_all(*instances, scores, model);
  };
  return all;
}

}  // namespace rerank::dialects
