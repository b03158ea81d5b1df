#include "server/metrics.h"

#include <gtest/gtest.h>

namespace rerank::server {
namespace {

TEST(Histogram, CountsWhatIsAtMostEachBound) {
  Histogram histogram({1, 2, 4});
  for (const double value : {0.5, 1.0, 1.5, 4.0, 100.0}) histogram.observe(value);
  std::string text;
  histogram.write(text, "h");
  EXPECT_EQ(text,
            "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"4\"} 4\n"
            "h_bucket{le=\"+Inf\"} 5\nh_sum 107\nh_count 5\n");
}

TEST(Buckets, AreThoseOfTextEmbeddingsInference) {
  const std::vector<double> durations = duration_buckets();
  ASSERT_EQ(durations.size(), 35u);
  EXPECT_NEAR(durations[0], 1.5e-5, 1e-12);
  EXPECT_NEAR(durations[1] / durations[0], 1.5, 1e-9);
  EXPECT_EQ(size_buckets()[3], 8);
}

TEST(Labels, AreEscaped) {
  EXPECT_EQ(label("model", "a\"b\\c\nd"), "model=\"a\\\"b\\\\c\\nd\"");
  std::string text;
  MetricText(text, "m", "gauge", "What it is").line(label("model", "a"), 2.5);
  EXPECT_EQ(text, "# HELP m What it is\n# TYPE m gauge\nm{model=\"a\"} 2.5\n");
}

TEST(WriteMetrics, HasEveryNameOnce) {
  Metrics metrics;
  metrics.failures[Metrics::kTimeout].add(3);
  std::string text;
  write_metrics(text, metrics);
  write_process_metrics(text, 17);
  EXPECT_NE(text.find("te_request_failure{err=\"timeout\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("process_start_time_seconds 17\n"), std::string::npos);
  for (const char* name : {"te_request_count", "te_request_duration", "te_batch_next_size", "rerank_batch_fill",
                           "te_predict_count", "te_predict_queue_duration"}) {
    const std::string type = std::string("# TYPE ") + name + " ";
    const std::size_t at = text.find(type);
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_EQ(text.find(type, at + 1), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace rerank::server
