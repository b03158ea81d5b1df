#include "io/json.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/utf8.h"

namespace rerank::io {
namespace {

struct RefusedCase {
  const char* why;
  std::string text;
  const char* part_of_message;
};
void PrintTo(const RefusedCase& row, std::ostream* out) {
  *out << row.why;
}
class RefusedJson : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedJson,
    ::testing::Values(RefusedCase{"nothing", "", "is empty, expected JSON"},
                      RefusedCase{"blanks only", "  \n", "is empty, expected JSON"},
                      RefusedCase{"cut short", "{\"a\": [1, 2", "is not valid JSON"},
                      RefusedCase{"two values", "{} {}", "is not valid JSON"},
                      RefusedCase{"a wrong byte", "{\"a\": \"x\xFF\"}", "is not valid UTF-8 at byte 8"},
                      RefusedCase{"an encoded surrogate", "\"\xED\xA0\x80\"", "is not valid UTF-8 at byte 1"},
                      RefusedCase{"half a surrogate pair, high", R"({"a": "\ud83d"})", "half a surrogate pair"},
                      RefusedCase{"half a surrogate pair, low", R"({"a": "\ude00 x"})", "half a surrogate pair"},
                      RefusedCase{"two high surrogates", R"(["\ud83d\ud83d"])", "half a surrogate pair"},
                      RefusedCase{"an unknown escape", R"(["\x41"])", "a wrong escape"},
                      RefusedCase{"a bare NUL", std::string("[\"a\0b\"]", 7), "is not valid JSON"},
                      RefusedCase{"too deep", std::string(65, '[') + std::string(65, ']'),
                                  "is nested more than 64 deep"},
                      RefusedCase{"NaN", "[NaN]", "is not valid JSON"}));
TEST_P(RefusedJson, NamesFileAndReason) {
  const auto& [why, text, part] = GetParam();
  const auto document = JsonDocument::parse(text, "config.json");
  ASSERT_FALSE(document.ok()) << why;
  EXPECT_EQ(document.error().code, Error::Code::kCorrupt);
  EXPECT_EQ(document.error().where, "config.json");
  EXPECT_NE(document.error().message().find(part), std::string::npos) << document.error().message();
}

TEST(Json, ReadsWhatIsThere) {
  const auto document = JsonDocument::parse(
      "\xEF\xBB\xBF{\"i\": -3, \"d\": 1e-12, \"b\": true, \"s\": \"\\ud83d\\ude00\\u0000\", \"n\": null, \"l\": [1, "
      "2]}",
      "c.json");
  ASSERT_TRUE(document.ok()) << document.error().message();
  const Json& root = document.value().root();
  EXPECT_EQ(root.get("i").value().integer().value(), -3);
  EXPECT_EQ(root.get("d").value().number().value(), 1e-12);
  EXPECT_EQ(root.get("i").value().number().value(), -3.0);
  EXPECT_TRUE(root.get("b").value().boolean().value());
  EXPECT_EQ(root.get("s").value().string().value(), std::string_view("\xF0\x9F\x98\x80\0", 5));
  EXPECT_EQ(root.get("l").value().array().value().size(), 2U);
  EXPECT_TRUE(root.get("n").value().is_null());
  EXPECT_FALSE(root.find("n").has_value());
  EXPECT_FALSE(root.find("absent").has_value());
  EXPECT_EQ(root.integer_or("absent", 7).value(), 7);
  EXPECT_EQ(root.integer_or("n", 7).value(), 7);
  EXPECT_EQ(root.string_or("absent", "x").value(), "x");
}

TEST(Json, AWrongTypeIsNamedWithItsPath) {
  const auto document = JsonDocument::parse(R"({"a": {"b": "text", "c": 1.5}, "list": [1, "two"]})", "c.json");
  const Json& root = document.value().root();
  const Json a = root.get("a").value();
  EXPECT_EQ(a.get("b").value().integer().error().message(), "c.json: a.b: is a string, expected an integer");
  EXPECT_EQ(a.get("c").value().integer().error().message(), "c.json: a.c: is a number, expected an integer");
  EXPECT_EQ(a.get("x").error().message(), "c.json: a: \"x\" is missing");
  EXPECT_EQ(a.integer_or("b", 1).error().message(), "c.json: a.b: is a string, expected an integer");
  EXPECT_EQ(root.get("list").value().get("x").error().message(), "c.json: list: is an array, expected an object");
  std::size_t index = 0;
  const Json list = root.get("list").value();
  const auto elements = list.array();
  for (const simdjson::dom::element element : elements.value()) {
    const Json item = list.item(element, index);
    if (index == 1) {
      EXPECT_EQ(item.number().error().message(), "c.json: list[1]: is a string, expected a number");
    }
    ++index;
  }
}

TEST(Json, ValuesSurviveAMoveOfTheirDocument) {
  auto document = JsonDocument::parse(R"({"a": "text"})", "c.json");
  const Json a = document.value().root().get("a").value();
  const JsonDocument moved = std::move(document).value();
  EXPECT_EQ(a.string().value(), "text");
  EXPECT_EQ(a.where(), "c.json: a");
  EXPECT_EQ(moved.root().get("a").value().string().value(), "text");
}

TEST(JsonParser, IsReusedAndCarriesItsSourcesCode) {
  JsonParser parser;
  const auto first = parser.parse(R"({"a": 1})", {"pairs.jsonl line 1", Error::Code::kBadInput});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value().get("b").error().code, Error::Code::kBadInput);
  const std::string large = "[\"" + std::string(100000, 'x') + "\"]";
  ASSERT_TRUE(parser.parse(large, {"pairs.jsonl line 2", Error::Code::kBadInput}).ok());
  const auto bad = parser.parse("{", {"pairs.jsonl line 3", Error::Code::kBadInput});
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, Error::Code::kBadInput);
  EXPECT_EQ(bad.error().where, "pairs.jsonl line 3");
  EXPECT_TRUE(parser.parse("[]", {"pairs.jsonl line 4", Error::Code::kBadInput}).ok());
}

// tokenizer_config.json files say so of a tokenizer without a limit.
TEST(Json, WholeNumbersBeyond64BitsAreFloats) {
  const auto document = JsonDocument::parse(
      R"({"a\\\"1": "12345678901234567890123", "limit": 1000000000000000019884624838656, "negative": -123456789012345678901234,
          "list": [99999999999999999999, 1.5, 7]})",
      "file");
  ASSERT_TRUE(document.ok()) << document.error().message();
  const Json& root = document.value().root();
  EXPECT_EQ(root.get("limit").value().number().value(), 1e30);
  EXPECT_EQ(root.get("negative").value().number().value(), -123456789012345678901234.0);
  EXPECT_EQ(root.get("a\\\"1").value().string().value(), "12345678901234567890123");
  EXPECT_FALSE(root.get("limit").value().integer().ok());
  EXPECT_FALSE(JsonDocument::parse("[0123456789012345678901]", "file").ok());
}

}  // namespace
}  // namespace rerank::io
