// Counters and histograms, written in the text format of Prometheus.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rerank::server {

class Counter {
 public:
  void add(std::uint64_t count = 1) { count_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);  // rising; one more bucket takes all above
  void observe(double value);
  void write(std::string& out, std::string_view name) const;

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> buckets_;  // [bounds + 1], each of its own values only
  std::atomic<double> sum_{0};
};

// 35 steps from 15 microseconds up, each half as long again, and powers of two: those of text-embeddings-inference.
std::vector<double> duration_buckets();
std::vector<double> size_buckets();

// "# HELP", "# TYPE" and the lines of one metric.
class MetricText {
 public:
  MetricText(std::string& out, std::string_view name, std::string_view type, std::string_view help);
  // `labels` as in {model="a"}, without the braces.
  void line(std::string_view labels, double value);

 private:
  std::string& out_;
  std::string name_;
};

// A label's value between quotes, with what has a meaning there escaped.
std::string label(std::string_view key, std::string_view value);

// Of requests for scores.
struct RequestMetrics {
  Counter single, batch;                      // single: one pair
  Counter single_successes, batch_successes;  // answered with scores
  Histogram seconds{duration_buckets()}, queue_seconds{duration_buckets()}, inference_seconds{duration_buckets()};
};

// Everything that is counted as it happens. What can be asked for when the page is written is not here.
struct Metrics {
  enum Failure { kOverloaded, kValidation, kTimeout, kInference, kDropped, kUnavailable, kFailures };

  RequestMetrics requests, predictions;    // predictions: of /predict, which text-embeddings-inference counts apart
  Counter failures[kFailures];             // of both
  Histogram input_tokens{size_buckets()};  // of a pair
  Histogram batch_pairs{size_buckets()}, batch_tokens{size_buckets()};       // of an engine call
  Histogram batch_fill{{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}};  // share of the budget
  Counter cut_pairs;                                                         // pairs that lost tokens
  Counter cancelled_pairs;                                                   // given up before they were computed
  Counter responses[6];                                                      // [status / 100]
  Counter bytes_in, bytes_out;                                               // of bodies
  Counter generated_tokens;                                                  // told to clients of text generation
};

// The part of /metrics that Metrics knows.
void write_metrics(std::string& out, const Metrics& metrics);
// Memory, files, CPU seconds and start of this process, under the names that Prometheus' own libraries use.
void write_process_metrics(std::string& out, std::int64_t started_unix_time);

// Resident bytes of this process; 0 where the system does not tell.
std::size_t resident_bytes();

}  // namespace rerank::server
