#include "server/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace rerank::server {
namespace {

using Json = nlohmann::json;

TEST(LogLine, IsJsonWhateverItHolds) {
  for (const std::string& text : {std::string("a \"b\" \\ \n\t\x01\x7f"), std::string("\xC3\xA9 \xE2\x82\xAC"),
                                  std::string("\xff\xfe cut \xC3"), std::string("nul\0in", 6), std::string()}) {
    LogLine made("info", "test");
    made.add("text", text).add("n", 3).add_milliseconds("ms", 0.0125);
    const std::string line = std::move(made).finish();
    ASSERT_TRUE(line.ends_with("}\n"));
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    const Json parsed = Json::parse(line, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << line;
    EXPECT_EQ(parsed["event"], "test");
    EXPECT_EQ(parsed["n"], 3);
    EXPECT_EQ(parsed["ms"], 12.5);
    const std::string time = parsed["time"];
    EXPECT_EQ(time.size(), std::string("2026-01-01T00:00:00.000Z").size()) << time;
    if (text.find('\xff') == std::string::npos) {
      EXPECT_EQ(parsed["text"], text);
    }
  }
}

TEST(Log, WritesAllLinesBeforeItGoes) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  {
    Log log(ends[1]);
    for (int i = 0; i < 100; ++i) log.write(std::move(LogLine("info", "line").add("n", i)));
  }
  close(ends[1]);
  std::string text(1 << 16, '\0');
  text.resize(static_cast<std::size_t>(read(ends[0], text.data(), text.size())));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
  EXPECT_LT(text.find("\"n\":0}"), text.find("\"n\":99}"));
  close(ends[0]);
}

TEST(Log, WaitsForNobody) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  {
    Log log(ends[1]);
    const std::string text(1000, 'x');
    for (int i = 0; i < 20'000; ++i) log.write(std::move(LogLine("info", "line").add("text", text)));
    EXPECT_GT(log.dropped(), 10'000u) << "nobody reads the pipe";
  }
  close(ends[0]);
  close(ends[1]);
}

TEST(Log, CanBeOff) {
  Log log(-1);
  log.write(LogLine("info", "line"));
  EXPECT_EQ(log.dropped(), 0u);
}

}  // namespace
}  // namespace rerank::server
