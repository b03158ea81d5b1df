// What an Exchange has done for each kind of job: scores, texts, tokens.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>
#include <variant>

#include "base/utf8.h"
#include "dialects/fit.h"
#include "server/exchange.h"

namespace rerank::server {

using dialects::HttpResponse;
using Clock = std::chrono::steady_clock;

namespace {

// The query of a pair counts once a pair, as in text-embeddings-inference.
std::size_t characters_of(const dialects::ScoreJob& job) {
  std::vector<std::size_t> lengths;
  for (const std::string& text : job.texts)
    lengths.push_back(first_invalid_utf8(text) == std::string_view::npos ? count_code_points(text) : text.size());
  std::size_t characters = 0;
  for (const auto& pair : job.pairs) characters += lengths[pair.query] + lengths[pair.passage];
  return characters;
}

}  // namespace

void Exchange::read() {
  const auto catalog = services_.models.catalog();
  std::visit([this](auto job) { run(std::move(job)); }, dialects::read(incoming_.request, *catalog));
}

void Exchange::run(dialects::ScoreJob job) {
  if (!can_begin(job.model, job.timeout)) return;
  pairs_ = job.pairs.size();
  counted_as_ = job.is_prediction ? &services_.metrics.predictions : &services_.metrics.requests;
  (pairs_ == 1 ? counted_as_->single : counted_as_->batch).add();
  if (!job.fitting.needed()) {
    if (hold(job)) submit(std::move(job));
    return;
  }
  away_from_readers([job = std::move(job)](Exchange& exchange) mutable { exchange.fit(std::move(job)); });
}

void Exchange::fit(dialects::ScoreJob job) {
  const LoadedModel& model = *services_.models.find(job.model);
  const dialects::TextTools tools{
      [&](std::span<const Pair> pairs, const ScoreOptions& options) { return model.engine.measure(pairs, options); },
      [&](std::string_view text) { return model.tokenizer.tokens(text, false); },
      services_.models.catalog()->limits.max_documents * kBytesPerPair, kBytesPerPair};
  const auto fitted = std::make_shared<std::variant<dialects::ScoreJob, HttpResponse>>(
      dialects::fit(std::move(job), incoming_.request, tools));
  later([fitted](Exchange& exchange) {
    if (auto* response = std::get_if<HttpResponse>(fitted.get())) {
      exchange.failure_ = Metrics::kValidation;
      return exchange.answer(std::move(*response));
    }
    auto& made = std::get<dialects::ScoreJob>(*fitted);
    exchange.pairs_ = made.pairs.size();
    if (exchange.hold(made)) exchange.submit(std::move(made));
  });
}

void Exchange::submit(dialects::ScoreJob given) {
  const auto job = std::make_shared<dialects::ScoreJob>(std::move(given));
  LoadedModel& model = *services_.models.find(job->model);
  const ModelInfo& info = model.engine.info();
  timing_ = Timing{0, 0, 0, characters_of(*job)};
  if (job->events) {
    failed_event_ = job->events->failed;
    begin_events();
    if (job->events->first) write_event(job->events->first);
  }
  if (job->pairs.empty()) return finish_scores(*job, {}, 0);

  ScoreTask task;
  task.texts = std::move(job->texts);
  task.pairs = job->pairs;
  task.options = job->options;
  if (job->events && job->events->scored)
    task.on_score = [self = shared_from_this(), job, &info](std::size_t pair_idx, const Result<Score>& score) {
      self->write_event([&] { return job->events->scored(pair_idx, score, info); });
    };
  if (job->events && job->events->reasoning)
    task.on_reasoning = [self = shared_from_this(), job](std::size_t pair_idx, std::string_view text) {
      self->write_event([&] { return job->events->reasoning(pair_idx, text); });
    };
  task.done = [self = shared_from_this(), job](std::vector<Result<Score>> scores, double queue_s) {
    self->later([job, scores = std::move(scores), queue_s](Exchange& exchange) mutable {
      exchange.finish_scores(*job, std::move(scores), queue_s);
    });
  };
  ScoreQueue& queue = *model.scores;
  const ScoreQueue::Ticket ticket = queue.submit(std::move(task));
  if (job->answer_partly) {
    take_part_ = [&queue, ticket] { return queue.take(ticket); };
    answer_partly_ = [this, job](const ScoreQueue::Part& part) { finish_partly(*job, part); };
  }
  set_cancel([&queue, ticket] { queue.cancel(ticket); });
}

void Exchange::finish_partly(const dialects::ScoreJob& job, const ScoreQueue::Part& part) {
  if (!claim()) return;
  const ModelInfo& info = services_.models.find(job.model)->engine.info();
  set_times(part.queue_seconds);
  for (const auto& score : part.scores)
    if (score) count_scores({&*score, 1});
  if (!job.events) return finish(job.answer_partly(part.scores, info));
  end_events(job.events->last_partly(part.scores, info), "done");
}

void Exchange::set_times(double queue_s) {
  timing_->queue_s = queue_s;
  timing_->inference_s = std::chrono::duration<double>(Clock::now() - incoming_.began).count() - queue_s;
}

void Exchange::finish_scores(const dialects::ScoreJob& job, std::vector<Result<Score>> scores, double queue_s) {
  if (!claim()) return;
  const ModelInfo& info = services_.models.find(job.model)->engine.info();
  set_times(queue_s);
  count_scores(scores);
  if (!job.events) return finish(job.answer(scores, info));
  end_events(job.events->last ? job.events->last(scores, info) : std::string(), "done");
}

void Exchange::count_scores(std::span<const Result<Score>> scores) {
  for (const Result<Score>& score : scores) {
    if (!score.ok()) {
      failure_ = Metrics::kInference;
      continue;
    }
    timing_->tokens += score.value().tokens;
    services_.metrics.input_tokens.observe(score.value().tokens);
    if (score.value().cut_tokens > 0) services_.metrics.cut_pairs.add();
  }
}

void Exchange::run(dialects::GenerateJob given) {
  if (!can_begin(given.model, given.timeout)) return;
  LoadedModel& model = *services_.models.find(given.model);
  if (model.texts == nullptr)
    return refuse({Kind::kUnsupported, fmt::format("the model {} scores pairs, and writes no text", model_)});
  const auto prompts = prompts_of(given);
  if (!prompts) return;
  pairs_ = prompts->size();
  const auto job = std::make_shared<dialects::GenerateJob>(std::move(given));

  GenerateTask task;
  task.prompts = *prompts;
  task.options = job->options;
  if (job->events) {
    failed_event_ = job->events->failed;
    begin_events();
    if (job->events->first) write_event(job->events->first);
    if (job->events->next)
      task.options.on_text = [self = shared_from_this(), job](std::size_t prompt_idx, const TextDelta& delta) {
        self->write_event([&] { return job->events->next(prompt_idx, delta); });
        return true;
      };
    if (job->events->done)
      task.on_done = [self = shared_from_this(), job](std::size_t prompt_idx, const Result<GeneratedText>& text) {
        self->write_event([&] { return job->events->done(prompt_idx, text); });
      };
  }
  task.done = [self = shared_from_this(), job](Result<std::vector<Result<GeneratedText>>> texts, double) {
    self->later([job, texts = std::move(texts)](Exchange& exchange) {
      if (!texts.ok()) return exchange.refuse(dialects::failure_of(texts.error()));
      if (!exchange.claim()) return;
      for (const Result<GeneratedText>& text : texts.value())
        if (text.ok()) exchange.services_.metrics.generated_tokens.add(text.value().token_ids.size());
      if (!job->events) return exchange.finish(job->answer(texts.value()));
      exchange.end_events(job->events->last ? job->events->last() : std::string(), "done");
    });
  };
  const GenerateQueue::Cancelled cancelled = model.texts->submit(std::move(task));
  set_cancel([cancelled] { *cancelled = true; });
}

// The prompts as text; none when the request is answered already.
std::optional<std::vector<std::string>> Exchange::prompts_of(dialects::GenerateJob& job) {
  const TextGenerator& generator = *services_.models.find(job.model)->generator;
  std::vector<std::string> prompts;
  for (auto& prompt : job.prompts) {
    if (auto* text = std::get_if<std::string>(&prompt)) {
      prompts.push_back(std::move(*text));
      continue;
    }
    auto written = generator.chat_prompt(std::get<std::vector<ChatMessage>>(prompt));
    if (!written.ok()) {
      refuse(dialects::failure_of(written.error()));
      return std::nullopt;
    }
    prompts.push_back(std::move(written).value());
    job.options.special_tokens = false;  // the template has written them
  }
  return prompts;
}

void Exchange::run(dialects::TokenizeJob job) {
  if (!can_begin(job.model, std::nullopt)) return;
  away_from_readers([job = std::move(job)](Exchange& exchange) {
    const ModelTokenizer& tokenizer = exchange.services_.models.find(job.model)->tokenizer;
    HttpResponse response;
    if (!job.ids.empty() || !job.answer_tokens) {
      std::vector<std::string> texts;
      for (const auto& ids : job.ids) texts.push_back(tokenizer.decode(ids, job.skip_special_tokens));
      response = job.answer_texts(texts);
    } else {
      std::vector<Result<std::vector<Token>>> tokens;
      for (const std::string& text : job.texts) tokens.push_back(tokenizer.tokens(text, job.special_tokens));
      response = job.answer_tokens(tokens);
    }
    exchange.later([response = std::move(response)](Exchange& again) mutable { again.answer(std::move(response)); });
  });
}

}  // namespace rerank::server
