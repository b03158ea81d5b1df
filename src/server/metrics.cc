#include "server/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/process.h"

namespace rerank::server {
namespace {

constexpr std::string_view kFailureNames[Metrics::kFailures] = {"overloaded", "validation", "timeout",
                                                                "inference",  "dropped",    "unavailable"};

double of(const Counter& counter) {
  return static_cast<double>(counter.value());
}

void write_requests(std::string& out, const std::string& name, const std::string& what, const RequestMetrics& metrics) {
  MetricText count(out, name + "_count", "counter", what + ", of one pair (single) or several");
  count.line("method=\"single\"", of(metrics.single));
  count.line("method=\"batch\"", of(metrics.batch));
  MetricText success(out, name + "_success", "counter", what + " that were answered with scores");
  success.line("method=\"single\"", of(metrics.single_successes));
  success.line("method=\"batch\"", of(metrics.batch_successes));
  metrics.seconds.write(out, name + "_duration");
  metrics.queue_seconds.write(out, name + "_queue_duration");
  metrics.inference_seconds.write(out, name + "_inference_duration");
}

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : bounds_(std::move(upper_bounds)), buckets_(new std::atomic<std::uint64_t>[bounds_.size() + 1]()) {}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  buckets_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

void Histogram::write(std::string& out, std::string_view name) const {
  fmt::format_to(std::back_inserter(out), "# TYPE {} histogram\n", name);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    count += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf";
    fmt::format_to(std::back_inserter(out), "{}_bucket{{le=\"{}\"}} {}\n", name, bound, count);
  }
  fmt::format_to(std::back_inserter(out), "{}_sum {}\n{}_count {}\n", name, sum_.load(std::memory_order_relaxed), name,
                 count);
}

std::vector<double> duration_buckets() {
  std::vector<double> bounds;
  for (int i = 1; i <= 35; ++i) bounds.push_back(1e-5 * std::pow(1.5, i));
  return bounds;
}

std::vector<double> size_buckets() {
  std::vector<double> bounds;
  for (int i = 0; i <= 20; ++i) bounds.push_back(std::ldexp(1.0, i));
  return bounds;
}

MetricText::MetricText(std::string& out, std::string_view name, std::string_view type, std::string_view help)
    : out_(out), name_(name) {
  fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricText::line(std::string_view labels, double value) {
  if (labels.empty()) {
    fmt::format_to(std::back_inserter(out_), "{} {}\n", name_, value);
  } else {
    fmt::format_to(std::back_inserter(out_), "{}{{{}}} {}\n", name_, labels, value);
  }
}

std::string label(std::string_view key, std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '"' || c == '\\') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return fmt::format("{}=\"{}\"", key, escaped);
}

void write_metrics(std::string& out, const Metrics& metrics) {
  write_requests(out, "te_request", "Requests for scores", metrics.requests);
  write_requests(out, "te_predict", "Requests to /predict", metrics.predictions);
  MetricText failures(out, "te_request_failure", "counter", "Requests without scores, by reason");
  for (std::size_t i = 0; i < Metrics::kFailures; ++i)
    failures.line(label("err", kFailureNames[i]), of(metrics.failures[i]));
  metrics.input_tokens.write(out, "te_request_input_length");
  metrics.batch_pairs.write(out, "te_batch_next_size");
  metrics.batch_tokens.write(out, "te_batch_next_tokens");
  metrics.batch_fill.write(out, "rerank_batch_fill");
  MetricText(out, "rerank_cut_pairs_total", "counter", "Pairs that lost tokens to fit their model")
      .line("", of(metrics.cut_pairs));
  MetricText(out, "rerank_cancelled_pairs_total", "counter", "Pairs given up because nobody waits for them any more")
      .line("", of(metrics.cancelled_pairs));
  MetricText(out, "rerank_generated_tokens_total", "counter", "Tokens written for clients of text generation")
      .line("", of(metrics.generated_tokens));
  MetricText responses(out, "rerank_http_responses_total", "counter", "Responses by class of status");
  for (int i = 1; i < 6; ++i) responses.line(fmt::format("code=\"{}xx\"", i), of(metrics.responses[i]));
  MetricText(out, "rerank_http_request_bytes_total", "counter", "Bytes of request bodies")
      .line("", of(metrics.bytes_in));
  MetricText(out, "rerank_http_response_bytes_total", "counter", "Bytes of response bodies")
      .line("", of(metrics.bytes_out));
}

void write_process_metrics(std::string& out, std::int64_t started_unix_time) {
  MetricText(out, "process_resident_memory_bytes", "gauge", "Resident memory")
      .line("", static_cast<double>(resident_bytes()));
  MetricText(out, "process_cpu_seconds_total", "counter", "User and system time of all threads")
      .line("", process_cpu_seconds());
  std::error_code ignored;
  std::size_t files = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", ignored), end; it != end; it.increment(ignored)) ++files;
  MetricText(out, "process_open_fds", "gauge", "Open file descriptors").line("", static_cast<double>(files));
  MetricText(out, "process_start_time_seconds", "gauge", "Start, in seconds since 1970")
      .line("", static_cast<double>(started_unix_time));
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  if (!(statm >> pages >> resident)) return 0;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace rerank::server
