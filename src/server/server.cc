#include "server/server.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "base/try.h"
#include "server/api_keys.h"
#include "server/exchange.h"
#include "server/listener.h"

namespace rerank::server {

using dialects::Failure;
using dialects::HttpRequest;
using dialects::HttpResponse;

namespace {

// Bodies are parsed and written by so many threads at most: the models need the processor more.
constexpr unsigned kMostReaders = 4;
constexpr unsigned kFitters = 2;
constexpr std::size_t kSpareFiles = 64;  // for models, logs and what the system needs
constexpr std::chrono::milliseconds kDrainLook{10};
constexpr std::size_t kFewDocuments = 1000;  // are never too many

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// As many connections as this process may have files, after asking for all that it may have.
std::size_t possible_connections() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 1024;
  if (files.rlim_cur < files.rlim_max) {
    const rlimit wanted{files.rlim_max, files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) files = wanted;
  }
  const auto most = static_cast<std::size_t>(std::min<rlim_t>(files.rlim_cur, 1 << 20));
  return most > 2 * kSpareFiles ? most - kSpareFiles : kSpareFiles;
}

HttpResponse plain(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

bool has_header(const HttpResponse& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& header) { return equal_ascii_case(header.first, name); });
}

}  // namespace

class Server::Impl final : public RequestHandler {
 public:
  Impl(ServerOptions options, std::vector<ModelChoice> models)
      : options_(std::move(options)),
        started_(unix_now()),
        log_(options_.log_descriptor),
        models_(std::move(models), make_catalog(), options_.lazy, options_.batch_tokens, options_.retry_after,
                metrics_),
        services_{options_, io_, readers_, fitters_, models_, metrics_, log_, held_},
        limits_{{options_.max_head_bytes, options_.max_body_bytes},
                options_.head_timeout,
                options_.idle_timeout,
                options_.transfer_timeout},
        listener_(io_, *this, limits_,
                  options_.max_connections > 0 ? options_.max_connections : possible_connections()),
        signals_(io_),
        drain_timer_(io_) {}

  // What is under way holds connections, and those hold on to io_: all of it has to go before io_ does.
  ~Impl() override {
    listener_.close();
    fitters_.join();
    readers_.join();
    models_.stop();
    io_.restart();
    io_.poll();
  }

  Status prepare() {
    if (options_.max_held_bytes < options_.max_body_bytes)
      return Error{Error::Code::kBadInput, "is less than one body may have", "--max-held", "give at least --max-body"};
    RERANK_TRY(load_keys());
    RERANK_TRY(load_tls());
    return listener_.listen(options_.host, options_.port);
  }

  std::uint16_t port() const { return listener_.port(); }
  bool failed_to_load() const { return failed_to_load_; }
  Status run();
  void stop() {
    boost::asio::post(io_, [this] { drain(); });
  }
  void reload() {
    boost::asio::post(io_, [this] { reload_files(); });
  }

  // RequestHandler:
  std::optional<HttpResponse> admit(const Incoming& head) override;
  bool hold(std::size_t bytes) override { return held_.take(bytes); }
  void release(std::size_t bytes) override { held_.give(bytes); }
  std::function<void()> handle(Incoming incoming, std::shared_ptr<Responder> responder) override;
  HttpResponse refuse(const Incoming& head, const BadRequest& why) override;

 private:
  dialects::Catalog make_catalog() const {
    dialects::Catalog catalog;
    const std::size_t documents = (options_.max_held_bytes - options_.max_body_bytes) / kBytesPerPair;
    catalog.limits = {options_.max_body_bytes, options_.batch_tokens, options_.max_queued_requests,
                      std::max(documents, kFewDocuments)};
    catalog.version = options_.version;
    catalog.started_unix_time = started_;
    return catalog;
  }

  Status load_keys();
  Status load_tls();
  void reload_files();
  void wait_for_signal();
  void drain();
  void look_whether_drained();
  void stop_now();
  std::optional<HttpResponse> own_answer(const HttpRequest& request) const;
  bool is_allowed_origin(const HttpRequest& request) const;
  dialects::Headers cors_headers(const HttpRequest& request) const;
  std::string metrics_text() const;
  void log_loaded(std::size_t model, const Status& status, double seconds);

  const ServerOptions options_;
  const std::int64_t started_;
  boost::asio::io_context io_{1};
  Metrics metrics_;
  Log log_;
  boost::asio::thread_pool readers_{std::clamp(std::thread::hardware_concurrency(), 2u, kMostReaders)};
  boost::asio::thread_pool fitters_{kFitters};
  Models models_;
  HeldMemory held_{options_.max_held_bytes};
  Services services_;
  const ConnectionLimits limits_;
  Listener listener_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer drain_timer_;

  // The rest belongs to the I/O thread.
  std::optional<ApiKeys> keys_;
  bool draining_ = false;
  std::chrono::steady_clock::time_point drain_until_;
  Status outcome_;
  bool failed_to_load_ = false;
};

Status Server::Impl::load_keys() {
  if (options_.key_file.empty()) return {};
  RERANK_ASSIGN(keys_, ApiKeys::load(options_.key_file));
  return {};
}

Status Server::Impl::load_tls() {
  if (options_.certificate_file.empty() && options_.tls_key_file.empty()) return {};
  if (options_.certificate_file.empty() || options_.tls_key_file.empty())
    return Error{Error::Code::kBadInput, "TLS needs a certificate and its private key", "--tls-cert, --tls-key",
                 "give both"};
  RERANK_ASSIGN(auto tls, TlsContext::load(options_.certificate_file, options_.tls_key_file));
  listener_.use_tls(std::move(tls));
  return {};
}

void Server::Impl::reload_files() {
  for (const Status& status : {load_keys(), load_tls()})
    if (!status.ok()) log_.write(std::move(LogLine("error", "reload").add("message", status.error().message())));
  log_.write(std::move(LogLine("info", "reload").add("keys", keys_ ? keys_->size() : 0)));
}

Status Server::Impl::run() {
  if (options_.catch_signals) {
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    signals_.add(SIGHUP);
    wait_for_signal();
  }
  models_.start(
      [this](std::size_t model, const Status& status, double seconds) { log_loaded(model, status, seconds); });
  listener_.start();
  const bool is_tls = !options_.certificate_file.empty();
  log_.write(std::move(LogLine("info", "listening")
                           .add("host", options_.host)
                           .add("port", int{port()})
                           .add("tls", is_tls ? "yes" : "no")));
  const auto work = boost::asio::make_work_guard(io_);
  io_.run();
  log_.write(LogLine("info", "stopped"));
  return outcome_;
}

void Server::Impl::wait_for_signal() {
  signals_.async_wait([this](ErrorCode error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      reload_files();
    } else if (!draining_) {
      drain();
    } else {
      stop_now();
    }
    wait_for_signal();
  });
}

void Server::Impl::drain() {
  if (draining_) return;
  draining_ = true;
  drain_until_ = std::chrono::steady_clock::now() + options_.drain_timeout;
  log_.write(std::move(LogLine("info", "draining").add("connections", listener_.connections())));
  listener_.drain(options_.drain_grace);
  look_whether_drained();
}

void Server::Impl::look_whether_drained() {
  if (listener_.connections() == 0) return stop_now();
  if (std::chrono::steady_clock::now() >= drain_until_) {
    outcome_ = Error{Error::Code::kIo, fmt::format("{} connections were not answered in time", listener_.connections()),
                     "draining", "give --drain-timeout more seconds"};
    return stop_now();
  }
  drain_timer_.expires_after(kDrainLook);
  drain_timer_.async_wait([this](ErrorCode aborted) {
    if (!aborted) look_whether_drained();
  });
}

void Server::Impl::stop_now() {
  if (outcome_.ok() && services_.jobs > 0)
    outcome_ = Error{Error::Code::kIo, fmt::format("{} requests were not answered", services_.jobs.load()),
                     "stopping at once", ""};
  listener_.close();
  signals_.cancel();
  io_.stop();
}

// Asked before the body is read: who has no key makes nobody read one.
std::optional<HttpResponse> Server::Impl::admit(const Incoming& head) {
  const HttpRequest& request = head.request;
  const bool is_preflight = request.method == "OPTIONS" && is_allowed_origin(request) &&
                            request.header("Access-Control-Request-Method") != nullptr;
  const bool is_open = is_preflight || dialects::is_open(request.path);
  if (!keys_ || is_open || keys_->admits(request)) return std::nullopt;
  HttpResponse response = dialects::refuse(request, {Failure::Kind::kUnauthorized, "a valid API key is needed"});
  if (!has_header(response, "WWW-Authenticate")) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  for (auto& header : cors_headers(request)) response.headers.push_back(std::move(header));
  metrics_.responses[std::clamp(response.status / 100, 1, 5)].add();
  log_.write(std::move(LogLine("warning", "unauthorized").add("client", head.client).add("path", request.path)));
  return response;
}

HttpResponse Server::Impl::refuse(const Incoming& head, const BadRequest& why) {
  HttpResponse response = dialects::refuse(head.request, {why.kind, why.message, why.status == 429 ? 1 : 0});
  response.status = why.status;
  for (auto& header : cors_headers(head.request)) response.headers.push_back(std::move(header));
  metrics_.responses[std::clamp(response.status / 100, 1, 5)].add();
  log_.write(std::move(LogLine("warning", "bad request")
                           .add("client", head.client)
                           .add("status", why.status)
                           .add("message", why.message)));
  return response;
}

std::function<void()> Server::Impl::handle(Incoming incoming, std::shared_ptr<Responder> responder) {
  auto own = own_answer(incoming.request);
  dialects::Headers cors = cors_headers(incoming.request);
  const auto exchange =
      std::make_shared<Exchange>(services_, std::move(incoming), std::move(cors), std::move(responder));
  if (own) {
    exchange->answer(std::move(*own));
    return nullptr;
  }
  exchange->start();
  return [exchange] { exchange->client_is_gone(); };
}

// What is about this server and no model, and therefore no dialect's business.
std::optional<HttpResponse> Server::Impl::own_answer(const HttpRequest& request) const {
  if (request.method == "OPTIONS" && is_allowed_origin(request)) {
    HttpResponse preflight{204, {}, ""};
    preflight.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    preflight.headers.emplace_back("Access-Control-Allow-Headers",
                                   "Authorization, Content-Type, X-Request-Id, X-Request-Timeout, traceparent");
    preflight.headers.emplace_back("Access-Control-Max-Age", "600");
    return preflight;
  }
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  const std::string_view path = dialects::without_dialect(request.path);
  if (path == "/health/live") return plain(200, "live\n");
  if (path == "/health" || path == "/ping" || path == "/healthz") {
    if (draining_) return dialects::refuse(request, {Failure::Kind::kStopping, "the server is about to end"});
    if (!models_.all_ready()) return dialects::refuse(request, {Failure::Kind::kLoading, "models are being loaded", 1});
    return HttpResponse{
        200, {{"Content-Type", "application/json"}}, fmt::format("{{\"status\":\"ok\",\"unix\":{}}}", unix_now())};
  }
  if (path == "/health/ready") {
    if (draining_) return plain(503, "stopping\n");
    return models_.all_ready() ? plain(200, "ready\n") : plain(503, "loading\n");
  }
  if (path == "/metrics") {
    HttpResponse response = plain(200, metrics_text());
    response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
    return response;
  }
  return std::nullopt;
}

bool Server::Impl::is_allowed_origin(const HttpRequest& request) const {
  const std::string* origin = request.header("Origin");
  return origin != nullptr &&
         std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == *origin; });
}

dialects::Headers Server::Impl::cors_headers(const HttpRequest& request) const {
  if (!is_allowed_origin(request)) return {};
  return {{"Access-Control-Allow-Origin", *request.header("Origin")},
          {"Vary", "Origin"},
          {"Access-Control-Expose-Headers",
           "Retry-After, X-Request-Id, traceparent, x-compute-tokens, x-queue-time, x-total-time"}};
}

std::string Server::Impl::metrics_text() const {
  std::string out;
  write_metrics(out, metrics_);
  MetricText(out, "te_queue_size", "gauge", "Pairs that wait for a model")
      .line("", static_cast<double>(models_.waiting_pairs()));
  MetricText(out, "rerank_requests_in_flight", "gauge", "Requests that wait for a model, or that one works on")
      .line("", static_cast<double>(services_.jobs.load()));
  MetricText(out, "rerank_connections", "gauge", "Open connections")
      .line("", static_cast<double>(listener_.connections()));
  MetricText(out, "rerank_connections_total", "counter", "Connections accepted")
      .line("", static_cast<double>(listener_.accepted()));
  MetricText(out, "rerank_held_body_bytes", "gauge",
             "Bytes of request bodies, documents and answers in memory, as counted")
      .line("", static_cast<double>(held_.bytes()));
  MetricText(out, "rerank_log_lines_dropped_total", "counter", "Log lines that nobody took in time")
      .line("", static_cast<double>(log_.dropped()));
  models_.write_metrics(out);
  write_process_metrics(out, started_);
  return out;
}

void Server::Impl::log_loaded(std::size_t model, const Status& status, double seconds) {
  const auto catalog = models_.catalog();
  const dialects::ServedModel& served = catalog->models[model];
  LogLine line(status.ok() ? "info" : "error", "model loaded");
  line.add("model", served.name);
  if (status.ok()) {
    line.add("method", served.info.method).add("dtype", served.info.dtype).add("cpu_level", served.info.cpu_level);
    line.add("threads", served.info.threads).add_milliseconds("load_ms", seconds);
  } else {
    line.add("message", status.error().message());
  }
  log_.write(std::move(line));
  if (status.ok() || options_.lazy) return;
  boost::asio::post(io_, [this, status] {
    outcome_ = status;
    failed_to_load_ = true;
    stop_now();
  });
}

Result<std::unique_ptr<Server>> Server::make(ServerOptions options, std::vector<ModelChoice> models) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(models));
  RERANK_TRY(impl->prepare());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
  return impl_->port();
}

bool Server::failed_to_load() const {
  return impl_->failed_to_load();
}

Status Server::run() {
  return impl_->run();
}

void Server::stop() {
  impl_->stop();
}

void Server::reload() {
  impl_->reload();
}

}  // namespace rerank::server
