#include "io/jsonl.h"

#include <gtest/gtest.h>

namespace rerank::io {
namespace {

JsonlReader reader_over(std::string_view text) {
  return JsonlReader(LineReader::over(text, "p.jsonl", {.max_line_bytes = 99}));
}

TEST(Jsonl, GivesObjectsWithTheirLines) {
  JsonlReader reader = reader_over("{\"query\": \"a\"}\n\n \t\r\n{\"query\": \"\\ud83d\\ude00\"}");
  auto first = reader.next();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value()->line_number, 1U);
  EXPECT_EQ(first.value()->json.string_at("query").value(), "a");
  auto second = reader.next();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.value()->line_number, 4U);
  EXPECT_EQ(second.value()->json.string_at("query").value(), "\xF0\x9F\x98\x80");
  EXPECT_FALSE(reader.next().value().has_value());
  EXPECT_FALSE(reader.next().value().has_value());
}

struct BadLineCase {
  const char* why;
  std::string line;
  const char* message;
};
void PrintTo(const BadLineCase& row, std::ostream* out) {
  *out << row.why;
}
class BadLine : public ::testing::TestWithParam<BadLineCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, BadLine,
    ::testing::Values(BadLineCase{"an array", "[1]", "p.jsonl line 2: is an array, expected an object"},
                      BadLineCase{"a string", "\"text\"", "p.jsonl line 2: is a string, expected an object"},
                      BadLineCase{"no JSON", "query passage", "p.jsonl line 2: is not valid JSON"},
                      BadLineCase{"cut", "{\"query\": \"a", "p.jsonl line 2: is not valid JSON"},
                      BadLineCase{"two objects", "{} {}", "p.jsonl line 2: is not valid JSON"},
                      BadLineCase{"not UTF-8", "{\"query\": \"\xFF\"}",
                                  "p.jsonl line 2: is not valid UTF-8 at byte 11 (write it as UTF-8)"},
                      BadLineCase{
                          "half a surrogate pair", R"({"query": "\ud83d"})",
                          "p.jsonl line 2: is not valid JSON: a string has a wrong escape or half a surrogate pair"},
                      BadLineCase{"NUL", std::string("\0", 1), "p.jsonl line 2: is not valid JSON"},
                      BadLineCase{"too long", std::string(100, ' '), "p.jsonl line 2: the line has more than 99 bytes"},
                      BadLineCase{"a missing field", "{}", "p.jsonl line 2: \"query\" is missing"},
                      BadLineCase{"a field of another type", R"({"query": 1})",
                                  "p.jsonl line 2: query: is an integer, expected a string"},
                      BadLineCase{"a field that is null", R"({"query": null})",
                                  "p.jsonl line 2: query: is null, expected a string"}));
TEST_P(BadLine, IsNamedAndDoesNotEndTheFile) {
  const auto& [why, line, message] = GetParam();
  const std::string text = "{\"query\": \"a\"}\n" + line + "\n{\"query\": \"b\"}\n";
  JsonlReader reader = reader_over(text);
  ASSERT_TRUE(reader.next().ok());
  const auto bad = reader.next();
  const Error error = bad.ok() ? bad.value()->json.string_at("query").error() : bad.error();
  EXPECT_EQ(error.code, Error::Code::kBadInput);
  EXPECT_EQ(error.message().rfind(message, 0), 0U) << error.message();
  const auto good = reader.next();
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value()->line_number, 3U);
  EXPECT_EQ(good.value()->json.string_at("query").value(), "b");
}

}  // namespace
}  // namespace rerank::io
