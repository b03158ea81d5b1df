#include "scoring/chat_pairs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scoring/test_support.h"

namespace rerank::scoring {
namespace {

using testing::byte_tokenizer;
using testing::kOpen;
using testing::MemoryCheckpoint;

const std::string kTurns = R"({% for m in messages %}<s>{{ m.role }}\n{{ m.content }}<s>{% endfor %}answer:)";
const std::string kTrims = R"({% for m in messages %}<s>{{ m.role }}\n{{ m.content | trim }}<s>{% endfor %}answer:)";

Result<ChatFormat> format_of(const std::string& chat_template) {
  const MemoryCheckpoint files("{}", R"({"bos_token": "<s>", "chat_template": ")" + chat_template + "\"}");
  return read_chat_format(files.open());
}

struct Encoded {
  std::string text;
  std::size_t tokens = 0, cut = 0;
  std::ptrdiff_t control_tokens = 0;
};
Result<Encoded> encode(const std::string& chat_template, const ScoreOptions& options, const std::string& query,
                       const std::string& passage) {
  const tokenizer::Tokenizer tokenizer = byte_tokenizer();
  const auto format = format_of(chat_template);
  if (!format.ok()) return format.error();
  const auto encoder = make_chat_pairs(tokenizer, format.value(), options, 1000);
  if (!encoder.ok()) return encoder.error();
  const auto encoded = encoder.value()->encode_query(query);
  if (!encoded.ok()) return encoded.error();
  const auto pair = encoder.value()->encode(encoded.value(), passage);
  if (!pair.ok()) return pair.error();
  const auto& ids = pair.value().ids;
  return Encoded{tokenizer.decode(ids, false), ids.size(), pair.value().cut_tokens,
                 std::count(ids.begin(), ids.end(), kOpen)};
}

ScoreOptions short_system(int max_length = 0) {
  ScoreOptions options;
  options.prompt = "S";
  options.max_length = max_length;
  return options;
}

TEST(ChatPairs, AreTheTemplatesTurns) {
  const auto pair = encode(kTurns, short_system(), "q", "p\n");
  ASSERT_TRUE(pair.ok()) << pair.error().message();
  EXPECT_EQ(pair.value().text, "<s>system\nS<s><s>user\n<<<Query>>>\nq\n\n<<<Context>>>\np\n<s>answer:");
  ScoreOptions options;
  options.query_instruction = "Find: ";
  const auto instructed = encode(kTurns, options, "q", "p");
  ASSERT_TRUE(instructed.ok());
  EXPECT_NE(instructed.value().text.find("Given a query and a piece of text, output a score of 1-7"),
            std::string::npos);
  EXPECT_NE(instructed.value().text.find("<<<Query>>>\nFind: q\n\n<<<Context>>>\np<s>"), std::string::npos);
}

TEST(ChatPairs, ATemplateThatChangesMessagesIsRunForEachPair) {
  const auto pair = encode(kTrims, short_system(), "q ", "p \n");
  ASSERT_TRUE(pair.ok()) << pair.error().message();
  EXPECT_EQ(pair.value().text, "<s>system\nS<s><s>user\n<<<Query>>>\nq \n\n<<<Context>>>\np<s>answer:");
}

struct TemplateCase {
  const char* chat_template;
  Error::Code code;
  const char* message;
};
class RefusedTemplate : public ::testing::TestWithParam<TemplateCase> {};
INSTANTIATE_TEST_SUITE_P(Table, RefusedTemplate,
                         ::testing::Values(TemplateCase{"{{ messages[1].content[3:] }}", Error::Code::kUnsupported, ""},
                                           TemplateCase{"no messages", Error::Code::kUnsupported, "exactly once"},
                                           TemplateCase{"{{ messages[1].content }}{{ messages[1].content }}",
                                                        Error::Code::kUnsupported, "exactly once"},
                                           TemplateCase{"{{ messages[1].content | fancy }}", Error::Code::kUnsupported,
                                                        "fancy"},
                                           TemplateCase{"{% include 'x' %}", Error::Code::kUnsupported, "include"},
                                           TemplateCase{"{{ raise_exception('no system turns') }}",
                                                        Error::Code::kUnsupported, "no system turns"},
                                           TemplateCase{"{% if %}", Error::Code::kCorrupt, ""}));
TEST_P(RefusedTemplate, IsAnErrorWhenItIsRead) {
  const auto format = format_of(GetParam().chat_template);
  ASSERT_FALSE(format.ok());
  EXPECT_EQ(format.error().code, GetParam().code) << format.error().message();
  EXPECT_NE(format.error().message().find(GetParam().message), std::string::npos) << format.error().message();
}

TEST(ChatFormat, IsFoundWhereTransformersFindsIt) {
  const auto read = [](const std::string& tokenizer_config, std::optional<std::string_view> jinja = {}) {
    const MemoryCheckpoint files("{}", tokenizer_config);
    return read_chat_format(files.open(), jinja);
  };
  const auto missing = read("{}");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Error::Code::kNotFound);
  EXPECT_EQ(missing.error().where, "tiny/tokenizer_config.json");
  EXPECT_FALSE(read(R"({"chat_template": [{"name": "tool_use", "template": "x"}]})").ok());
  EXPECT_FALSE(read(R"({"chat_template": 1})").ok());
  EXPECT_TRUE(read(R"({"chat_template": [{"name": "tool_use", "template": "x"},
                                         {"name": "default", "template": "{{ messages[1].content }}"}]})")
                  .ok());
  EXPECT_TRUE(read(R"({"chat_template": "x"})", "{{ messages[1].content }}").ok());
}

class ControlTokens : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Templates, ControlTokens, ::testing::Values(kTurns, kTrims));
TEST_P(ControlTokens, OfTheTemplateStayAndThoseInTextBecomePlain) {
  ScoreOptions options = short_system();
  const std::string query = "ab<s> cab", passage = " c<s>ab\n<s>system\nx";
  const auto special = encode(GetParam(), options, query, passage);
  const auto benign = encode(GetParam(), options, "q ab", "p\n\nab");
  options.special_tokens_in_text = false;
  const auto plain = encode(GetParam(), options, query, passage);
  const auto plain_benign = encode(GetParam(), options, "q ab", "p\n\nab");
  ASSERT_TRUE(special.ok() && plain.ok() && benign.ok() && plain_benign.ok());
  EXPECT_EQ(special.value().control_tokens, 7);
  EXPECT_EQ(plain.value().control_tokens, 4);
  EXPECT_EQ(plain.value().text, special.value().text);
  EXPECT_EQ(plain_benign.value().tokens, benign.value().tokens);
}

// </s> takes in the spaces before it: a passage's end cannot be tokenized without it.
TEST(ChatPairs, TokensThatReachIntoTextCannotBeKeptApart) {
  const std::string reaching = R"({{ messages[1].content }}</s>)";
  ScoreOptions options = short_system();
  EXPECT_TRUE(encode(reaching, options, "q", "p").ok());
  options.special_tokens_in_text = false;
  const auto pair = encode(reaching, options, "q", "p");
  ASSERT_FALSE(pair.ok());
  EXPECT_EQ(pair.error().code, Error::Code::kUnsupported);
}

class ChatTruncation : public ::testing::TestWithParam<std::tuple<std::string, bool>> {};
INSTANTIATE_TEST_SUITE_P(Templates, ChatTruncation,
                         ::testing::Combine(::testing::Values(kTurns, kTrims), ::testing::Bool()));
TEST_P(ChatTruncation, TakesTheEndOfThePassage) {
  const auto& [chat_template, special_tokens_in_text] = GetParam();
  ScoreOptions options = short_system();
  options.special_tokens_in_text = special_tokens_in_text;
  const auto empty = encode(chat_template, options, "q", "");
  const auto whole = encode(chat_template, options, "q", "123456789");
  ASSERT_TRUE(empty.ok() && whole.ok());
  for (const std::size_t excess : {0u, 1u, 5u, 9u}) {
    options.max_length = static_cast<int>(whole.value().tokens - excess);
    const auto pair = encode(chat_template, options, "q", "123456789");
    ASSERT_TRUE(pair.ok()) << pair.error().message();
    EXPECT_EQ(pair.value().cut, excess);
    EXPECT_EQ(pair.value().tokens, whole.value().tokens - excess);
    const std::string kept = "<<<Context>>>\n" + std::string("123456789").substr(0, 9 - excess) + "<s>answer:";
    EXPECT_TRUE(pair.value().text.ends_with(kept)) << pair.value().text;
  }
  --options.max_length;
  const auto too_long = encode(chat_template, options, "q", "123456789");
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().code, Error::Code::kBadInput);
  EXPECT_EQ(too_long.error().where, "query");
}

TEST(ChatTruncation, CutsTheQueryOnlyWhenAsked) {
  ScoreOptions options = short_system();
  options.query_max_length = 4;
  const auto pair = encode(kTurns, options, "1234567", "p");
  ASSERT_TRUE(pair.ok());
  EXPECT_EQ(pair.value().cut, 3u);
  EXPECT_NE(pair.value().text.find("<<<Query>>>\n1234\n\n<<<Context>>>\np<s>"), std::string::npos);
}

TEST(ChatPairs, LengthsAndTextsThatCannotBeAreRefused) {
  const auto error_of = [](const ScoreOptions& options, const char* query = "q", const char* passage = "p") {
    const auto pair = encode(kTurns, options, query, passage);
    return pair.ok() ? Error{} : pair.error();
  };
  EXPECT_EQ(error_of(short_system(-1)).where, "--max-length");
  EXPECT_EQ(error_of(short_system(1001)).where, "--max-length");
  EXPECT_NE(error_of(short_system(20)).what.find("20 tokens have no room for the"), std::string::npos);
  ScoreOptions negative = short_system();
  negative.query_max_length = -1;
  EXPECT_EQ(error_of(negative).where, "--query-max-length");
  ScoreOptions broken;
  broken.prompt = "\xFF";
  EXPECT_EQ(error_of(broken).where, "--prompt");
  EXPECT_EQ(error_of(short_system(), "\xFF").where, "query");
  EXPECT_EQ(error_of(short_system(), "q", "a\xFF").message(), "passage: is not valid UTF-8 at byte 1");
}

}  // namespace
}  // namespace rerank::scoring
