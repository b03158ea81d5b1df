#include "server/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cmath>
#include <exception>
#include <new>
#include <utility>

namespace rerank::server {

using dialects::Failure;
using dialects::HttpResponse;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kLoadingRetrySeconds = 5;
constexpr int kMostRetrySeconds = 60;

Metrics::Failure counted_as(Failure::Kind kind) {
  using Kind = Failure::Kind;
  switch (kind) {
    case Kind::kOverloaded:
      return Metrics::kOverloaded;
    case Kind::kTimeout:
      return Metrics::kTimeout;
    case Kind::kLoading:
    case Kind::kStopping:
      return Metrics::kUnavailable;
    case Kind::kInternal:
      return Metrics::kInference;
    default:
      return Metrics::kValidation;
  }
}

}  // namespace

Exchange::Exchange(Services& services, Incoming incoming, dialects::Headers headers,
                   std::shared_ptr<Responder> responder)
    : services_(services),
      incoming_(std::move(incoming)),
      headers_(std::move(headers)),
      responder_(std::move(responder)),
      strand_(services.readers.get_executor()),
      deadline_(services.io) {
  dialects::HttpRequest& request = incoming_.request;
  const std::string* id = request.header("X-Request-Id");
  request.id = id != nullptr && is_good_request_id(*id) ? *id : new_request_id();
  request.unix_time =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (const std::string* header = request.header("traceparent")) parent_ = parse_traceparent(*header);
  if (parent_) trace_ = child_of(*parent_);
  if (request.method == "HEAD") request.method = "GET";  // the connection leaves the body out
}

void Exchange::start() {
  later([](Exchange& exchange) { exchange.read(); });
}

// One that is answered needs nothing more. An exception is a bug of ours or memory that ran out: that request's error,
// and nobody else's.
void Exchange::later(std::function<void(Exchange&)> call) {
  if (claimed_) return;
  boost::asio::post(strand_, [self = shared_from_this(), call = std::move(call)] {
    if (self->claimed_) return;
    try {
      call(*self);
    } catch (const std::bad_alloc&) {
      self->refuse({Failure::Kind::kInternal, "out of memory"});
    } catch (const std::exception& error) {
      self->refuse({Failure::Kind::kInternal, error.what()});
    }
  });
}

void Exchange::away_from_readers(std::function<void(Exchange&)> call) {
  boost::asio::post(services_.fitters, [self = shared_from_this(), call = std::move(call)] {
    if (self->claimed_) return;
    try {
      call(*self);
    } catch (const std::exception& error) {
      self->later([why = std::string(error.what())](Exchange& exchange) { exchange.refuse({Kind::kInternal, why}); });
    }
  });
}

// Whether the request has a place, and its model is there.
bool Exchange::can_begin(std::size_t model, std::optional<std::chrono::milliseconds> timeout) {
  if (model_.empty()) model_ = services_.models.catalog()->models[model].name;
  return enter(model, timeout) && is_ready(model);
}

// Whether the model is there. If not, the request is read again once it is, or answered.
bool Exchange::is_ready(std::size_t model) {
  if (services_.models.find(model) != nullptr) return true;
  if (!services_.options.lazy) {
    refuse({Kind::kLoading, fmt::format("the model {} is being loaded", model_), kLoadingRetrySeconds});
    return false;
  }
  services_.models.when_loaded(model, [self = shared_from_this()](const Status& status) {
    if (status.ok()) return self->later([](Exchange& exchange) { exchange.read(); });
    self->later([message = status.error().message()](Exchange& exchange) {
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(exchange.services_.options.retry_after).count();
      exchange.refuse({Kind::kLoading, "the model cannot be loaded: " + message,
                       std::clamp(static_cast<int>(seconds), 1, kMostRetrySeconds)});
    });
  });
  return false;
}

// The request's place among those that wait. A request has one from here to its answer, also while its model is loaded.
bool Exchange::enter(std::size_t model, std::optional<std::chrono::milliseconds> timeout) {
  if (entered_) return true;
  if (services_.jobs.fetch_add(1) >= services_.options.max_queued_requests) {
    services_.jobs.fetch_sub(1);
    const LoadedModel* loaded = services_.models.find(model);
    const double seconds = loaded != nullptr ? loaded->scores->waiting_seconds() : kLoadingRetrySeconds;
    refuse({Kind::kOverloaded, fmt::format("{} requests are waiting; try again later", services_.jobs.load()),
            std::clamp(static_cast<int>(std::ceil(seconds)), 1, kMostRetrySeconds)});
    return false;
  }
  entered_ = true;
  if (claimed_) {  // the client left meanwhile, and may have looked before
    leave();
    return false;
  }
  if (const std::string* header = incoming_.request.header("X-Request-Timeout")) {
    const auto asked = parse_timeout(*header);
    if (!asked) {
      refuse({Kind::kInvalid, "X-Request-Timeout is a number of seconds, such as 2.5"});
      return false;
    }
    timeout = std::min(timeout.value_or(*asked), *asked);
  }
  if (!timeout && services_.options.request_timeout.count() > 0) timeout = services_.options.request_timeout;
  if (timeout) arm_deadline(*timeout);
  return true;
}

// Whether there is memory for what the request's texts become. That of few short ones counts as nothing.
bool Exchange::hold(const dialects::ScoreJob& job) {
  constexpr std::size_t kSmall = std::size_t{64} << 10;
  std::size_t bytes = job.pairs.size() * kBytesPerPair;
  for (const std::string& text : job.texts) bytes += text.size();
  bytes -= std::min(bytes, incoming_.body_bytes + kSmall);
  if (!services_.held.take(bytes)) {
    refuse({Kind::kOverloaded, "too many large requests are being worked on; try again", 1});
    return false;
  }
  held_ = bytes;
  if (!claimed_) return true;
  leave();  // the client left meanwhile, and may have looked before
  return false;
}

void Exchange::begin_events() {
  HttpResponse head{200, {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-cache"}}, ""};
  decorate(head);
  responder_->begin(std::move(head));
}

void Exchange::send_event(std::string bytes) {
  if (bytes.empty()) return;
  event_bytes_ += bytes.size();
  responder_->write(std::move(bytes));
}

void Exchange::write_event(const std::function<std::string()>& make) {
  const std::lock_guard lock(event_mutex_);
  if (!events_ended_) send_event(make());
}

void Exchange::end_events(std::string last, const char* outcome) {
  {
    const std::lock_guard lock(event_mutex_);
    events_ended_ = true;
    send_event(std::move(last));
  }
  report(200, event_bytes_, outcome);
  responder_->end();
}

void Exchange::arm_deadline(std::chrono::milliseconds timeout) {
  const auto at = incoming_.began + timeout;
  boost::asio::post(services_.io, [self = shared_from_this(), at] {
    if (self->claimed_) return;
    self->deadline_.expires_at(at);
    self->deadline_.async_wait([self](ErrorCode aborted) {
      if (!aborted) self->on_deadline();
    });
  });
}

void Exchange::on_deadline() {
  later([](Exchange& exchange) { exchange.time_is_over(); });
}

void Exchange::time_is_over() {
  if (take_part_) {
    const auto part = take_part_();
    if (!part) return;  // all of it is there: its answer is next
    const auto& scores = part->scores;
    if (std::any_of(scores.begin(), scores.end(), [](const auto& score) { return score.has_value(); }))
      return std::exchange(answer_partly_, nullptr)(*part);
  }
  cancel();
  refuse({Kind::kTimeout, "the request's time is over"});
}

void Exchange::client_is_gone() {
  if (!claim()) return;
  cancel();
  leave();
  boost::asio::post(strand_, [self = shared_from_this()] {
    self->failure_ = Metrics::kDropped;
    self->report(0, self->event_bytes_, "client left");
  });
}

void Exchange::leave() {
  if (entered_.exchange(false)) services_.jobs.fetch_sub(1);
  services_.held.give(held_.exchange(0));
}

// What to do when nobody waits for the answer any more, which may have happened already.
void Exchange::set_cancel(std::function<void()> cancel) {
  {
    const std::lock_guard lock(cancel_mutex_);
    if (!claimed_) {
      cancel_ = std::move(cancel);
      return;
    }
  }
  cancel();
}

void Exchange::cancel() {
  std::function<void()> cancel;
  {
    const std::lock_guard lock(cancel_mutex_);
    cancel = std::exchange(cancel_, nullptr);
  }
  if (cancel) cancel();
}

// The task that would be cancelled holds on to this object.
void Exchange::forget_cancel() {
  std::function<void()> dropped;  // outlives the lock: what it drops may be the last of the task
  const std::lock_guard lock(cancel_mutex_);
  dropped.swap(cancel_);
}

void Exchange::answer(HttpResponse response) {
  if (claim()) finish(std::move(response));
}

void Exchange::refuse(Failure failure) {
  if (claim()) fail(std::move(failure));
}

void Exchange::fail(Failure failure) {
  failure_ = counted_as(failure.kind);
  if (!failed_event_) return finish(dialects::refuse(incoming_.request, failure));
  end_events(failed_event_(failure), "failed");
}

// For the one who has claimed the answer.
void Exchange::finish(HttpResponse response) {
  decorate(response);
  const int status = response.status;
  const std::size_t bytes = response.body.size();
  report(status, bytes, status < 400 ? "done" : "refused");
  responder_->send(std::move(response));
}

void Exchange::decorate(HttpResponse& response) const {
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  response.headers.emplace_back("X-Request-Id", incoming_.request.id);
  if (trace_) response.headers.emplace_back("traceparent", to_string(*trace_));
  if (!timing_ || response.status >= 400) return;
  const auto milliseconds = [](double seconds) { return fmt::format("{:.0f}", seconds * 1000); };
  const double total = std::chrono::duration<double>(Clock::now() - incoming_.began).count();
  response.headers.emplace_back("x-compute-type", "cpu");
  if (failed_event_) return;  // a stream begins before anything is known
  response.headers.emplace_back("x-compute-time", milliseconds(timing_->inference_s));
  response.headers.emplace_back("x-compute-characters", fmt::format("{}", timing_->characters));
  response.headers.emplace_back("x-compute-tokens", fmt::format("{}", timing_->tokens));
  response.headers.emplace_back("x-total-time", milliseconds(total));
  response.headers.emplace_back("x-queue-time", milliseconds(timing_->queue_s));
  response.headers.emplace_back("x-inference-time", milliseconds(timing_->inference_s));
}

// The end of the request, however it ended; called once, before its last bytes: who has an answer finds it counted.
void Exchange::report(int status, std::size_t bytes_out, const char* outcome) {
  boost::asio::post(services_.io, [self = shared_from_this()] { self->deadline_.cancel(); });
  forget_cancel();
  take_part_ = nullptr;
  leave();
  Metrics& metrics = services_.metrics;
  const double total = std::chrono::duration<double>(Clock::now() - incoming_.began).count();
  if (status > 0) metrics.responses[std::clamp(status / 100, 1, 5)].add();
  metrics.bytes_in.add(incoming_.request.body.size());
  metrics.bytes_out.add(bytes_out);
  if (failure_) metrics.failures[*failure_].add();
  if (timing_ && !failure_) {
    (pairs_ == 1 ? counted_as_->single_successes : counted_as_->batch_successes).add();
    counted_as_->seconds.observe(total);
    counted_as_->queue_seconds.observe(timing_->queue_s);
    counted_as_->inference_seconds.observe(timing_->inference_s);
  }
  if (services_.options.log_descriptor < 0) return;

  LogLine line("info", "request");
  line.add("id", incoming_.request.id);
  if (trace_)
    line.add("trace_id", trace_->trace_id).add("span_id", trace_->parent_id).add("parent_id", parent_->parent_id);
  line.add("client", incoming_.client).add("method", incoming_.request.method).add("path", incoming_.request.path);
  line.add("status", status).add("outcome", outcome);
  if (!model_.empty()) line.add("model", model_);
  if (pairs_ > 0) line.add("pairs", pairs_);
  if (timing_)
    line.add("tokens", timing_->tokens)
        .add_milliseconds("queue_ms", timing_->queue_s)
        .add_milliseconds("inference_ms", timing_->inference_s);
  line.add_milliseconds("total_ms", total);
  line.add("bytes_in", incoming_.request.body.size()).add("bytes_out", bytes_out);
  if (services_.options.log_texts) line.add("body", incoming_.request.body);
  services_.log.write(std::move(line));
}

}  // namespace rerank::server
