#include "server/trace.h"

#include <gtest/gtest.h>

#include <set>

namespace rerank::server {
namespace {

TEST(RequestId, IsNewEachTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_request_id();
    EXPECT_EQ(id.size(), 32u);
    EXPECT_TRUE(is_good_request_id(id));
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(RequestId, OfAClientIsTakenIfItCanDoNoHarm) {
  EXPECT_TRUE(is_good_request_id("3f2a-b.C_d:e/f+g="));
  EXPECT_TRUE(is_good_request_id(std::string(128, 'a')));
  for (const std::string& bad : {std::string(), std::string(129, 'a'), std::string("a b"),
                                 std::string("a\r\nSet-Cookie"), std::string("\xC3\xA9"), std::string("a\"b")})
    EXPECT_FALSE(is_good_request_id(bad)) << bad;
}

TEST(TraceParent, IsReadAsTheRecommendationSays) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto trace = parse_traceparent(good);
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(trace->parent_id, "b7ad6b7169203331");
  EXPECT_EQ(trace->flags, "01");
  EXPECT_EQ(to_string(*trace), good);
  EXPECT_TRUE(parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes"));
  for (const char* bad : {"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                          "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                          "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                          "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"})
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
}

TEST(TraceParent, HasAChildInTheSameTrace) {
  const auto trace = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  const TraceParent child = child_of(*trace);
  EXPECT_EQ(child.trace_id, trace->trace_id);
  EXPECT_EQ(child.flags, "00");
  EXPECT_NE(child.parent_id, trace->parent_id);
  EXPECT_TRUE(parse_traceparent(to_string(child)));
}

TEST(Timeout, IsANumberOfSeconds) {
  EXPECT_EQ(parse_timeout("2.5"), std::chrono::milliseconds(2500));
  EXPECT_EQ(parse_timeout("30"), std::chrono::seconds(30));
  EXPECT_EQ(parse_timeout("0.001"), std::chrono::milliseconds(1));
  for (const char* bad : {"", "0", "-1", "abc", "5s", " 5", "1e9", "86401", "nan", "inf", "0.0001", "1e3"})
    EXPECT_FALSE(parse_timeout(bad)) << bad;
}

}  // namespace
}  // namespace rerank::server
