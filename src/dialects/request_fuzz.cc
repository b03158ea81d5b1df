// Any bytes as the body of any path give a job or an answer in JSON; and a job's answers are JSON too.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dialects/dialect.h"
#include "dialects/fit.h"
#include "io/json.h"

namespace {

using namespace rerank;
using namespace rerank::dialects;

void check(const HttpResponse& response) {
  if (response.status < 200 || response.status > 599) std::abort();
  if (!response.body.empty() && response.body.front() != '<' && !io::JsonDocument::parse(response.body, "answer").ok())
    std::abort();
}

Result<std::vector<Result<PairTokens>>> measure(std::span<const Pair> pairs, const ScoreOptions&) {
  std::vector<Result<PairTokens>> lengths;
  for (const Pair& pair : pairs) {
    const auto tokens = static_cast<std::uint32_t>(pair.query.size() + pair.passage.size() + 1);
    lengths.emplace_back(PairTokens{std::min(tokens, 16u), tokens - std::min(tokens, 16u)});
  }
  return lengths;
}

Result<std::vector<Token>> tokens(std::string_view text) {
  std::vector<Token> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back({1, "", false, i, i + 1});
  return bytes;
}

void run(const HttpRequest& request, ScoreJob job, const ModelInfo& model) {
  auto fitted = fit(std::move(job), request, {measure, tokens, std::size_t{1} << 20, 256});
  if (const auto* response = std::get_if<HttpResponse>(&fitted)) return check(*response);
  const auto& ready = std::get<ScoreJob>(fitted);
  std::vector<Result<Score>> scores;
  for (std::size_t i = 0; i < ready.pairs.size(); ++i) {
    if (std::max(ready.pairs[i].query, ready.pairs[i].passage) >= ready.texts.size()) std::abort();
    Score score;
    score.value = static_cast<double>(i % 3);
    score.cut_tokens = static_cast<std::uint32_t>(i % 2);
    scores.emplace_back(score);
  }
  check(ready.answer(scores, model));
  if (ready.answer_partly) {
    std::vector<std::optional<Result<Score>>> part(scores.begin(), scores.end());
    for (std::size_t i = 0; i < part.size(); i += 3) part[i].reset();
    check(ready.answer_partly(part, model));
    if (ready.events && !ready.events->last_partly(part, model).ends_with("data: [DONE]\n\n")) std::abort();
  }
  if (ready.events && !ready.events->last(scores, model).ends_with("data: [DONE]\n\n")) std::abort();
}

void run(GenerateJob job) {
  std::vector<Result<GeneratedText>> texts;
  for (std::size_t i = 0; i < job.prompts.size(); ++i) {
    GeneratedText text;
    text.text = "a\xC3\xA9";
    text.token_ids = {1};
    text.token_texts = {"a\xC3\xA9"};
    text.logprobs.push_back({});
    for (int k = 0; k < job.options.logprobs; ++k) text.logprobs[0].push_back({k, -0.5 * k, "t"});
    texts.emplace_back(std::move(text));
  }
  check(job.answer(texts));
}

}  // namespace

// The first byte chooses the path, the second the method of the model.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const std::vector<std::string> paths = known_paths();
  Catalog catalog;
  ServedModel served;
  served.name = std::string(1, 'm');
  served.ready = true;
  catalog.models.push_back(std::move(served));
  const char* methods[] = {"cross-encoder", "expectation", "reasoning"};
  catalog.models[0].info.method = methods[data[1] % 3];
  catalog.models[0].generates = data[1] % 3 != 0;
  HttpRequest request;
  request.method = "POST";
  request.path = paths[data[0] % paths.size()];
  request.id = "id";
  request.body.assign(reinterpret_cast<const char*>(data) + 2, size - 2);

  Job job = read(request, catalog);
  if (const auto* response = std::get_if<HttpResponse>(&job)) {
    if (response->status == 200) std::abort();
    check(*response);
  } else if (auto* scores = std::get_if<ScoreJob>(&job)) {
    run(request, std::move(*scores), catalog.models[0].info);
  } else if (auto* texts = std::get_if<GenerateJob>(&job)) {
    run(std::move(*texts));
  }
  check(refuse(request, {Failure::Kind::kInternal, request.body}));
  return 0;
}
