#include "evaluation/protocol_files.h"

#include <gtest/gtest.h>

namespace rerank::evaluation {
namespace {

io::LineReader over(std::string_view text) {
  return io::LineReader::over(text, "f.jsonl");
}

TEST(ProtocolFiles, ListsOfPassages) {
  const auto lists = read_id_lists(
      over("{\"query-id\":\"q1\",\"corpus-ids\":[\"a\",\"b\"]}\n\n{\"query-id\":\"q2\",\"corpus-ids\":[]}\r\n"));
  ASSERT_TRUE(lists.ok()) << lists.error().message();
  EXPECT_EQ(lists.value(), (IdLists{{"q1", {"a", "b"}}, {"q2", {}}}));
}

TEST(ProtocolFiles, Instructions) {
  const auto texts = read_instructions(
      over("{\"query-id\":\"q1\",\"instruction\":\"I\"}\n{\"_id\":\"q2\",\"text\":\"no instruction\"}\n"
           "{\"_id\":\"q3\",\"instruction\":null}\n"));
  ASSERT_TRUE(texts.ok()) << texts.error().message();
  EXPECT_EQ(texts.value(), (Texts{{"q1", "I"}}));
}

TEST(ProtocolFiles, Examples) {
  const auto examples = read_examples(
      over("{\"id\":\"1\",\"query\":\"x\",\"gold_ids\":[\"a\",\"b\",\"a\"],\"excluded_ids\":[\"N/A\"]}\n"
           "{\"id\":\"2\",\"gold_ids\":[],\"excluded_ids\":[\"c\"]}\n{\"id\":\"3\",\"gold_ids\":[\"d\"]}\n"));
  ASSERT_TRUE(examples.ok()) << examples.error().message();
  ASSERT_EQ(examples.value().qrels.queries.size(), 2U);
  EXPECT_EQ(examples.value().qrels.queries[0].judgements.size(), 2U);
  EXPECT_EQ(examples.value().qrels.queries[0].judgements[1].passage_id, "b");
  EXPECT_EQ(examples.value().qrels.queries[1].query_id, "3");
  EXPECT_EQ(examples.value().excluded, (IdLists{{"2", {"c"}}}));
}

TEST(ProtocolFiles, Prompts) {
  const auto prompts = read_prompts(over("{\"SciFact\":\"Claim: FILL_QUERY_HERE\",\n \"b\":\"FILL_QUERY_HERE?\"}\n"));
  ASSERT_TRUE(prompts.ok()) << prompts.error().message();
  EXPECT_EQ(prompts.value().at("SciFact"), "Claim: FILL_QUERY_HERE");
  EXPECT_EQ(prompts.value().size(), 2U);
}

struct RefusedFile {
  const char* why;
  Status (*read)(std::string_view);
  const char *text, *message;
};
void PrintTo(const RefusedFile& row, std::ostream* out) {
  *out << row.why;
}
template <auto kRead>
Status refusal(std::string_view text) {
  const auto result = kRead(over(text));
  return result.ok() ? Status() : Status(result.error());
}
class Refused : public ::testing::TestWithParam<RefusedFile> {};
INSTANTIATE_TEST_SUITE_P(
    ProtocolFiles, Refused,
    ::testing::Values(
        RefusedFile{"no object", refusal<read_id_lists>, "[]", "f.jsonl line 1: is an array"},
        RefusedFile{"an id twice", refusal<read_id_lists>,
                    "{\"query-id\":\"q\",\"corpus-ids\":[]}\n{\"query-id\":\"q\",\"corpus-ids\":[]}",
                    "f.jsonl line 2: query \"q\" stands in an earlier line already"},
        RefusedFile{"an id that is a number", refusal<read_id_lists>, "{\"query-id\":\"q\",\"corpus-ids\":[7]}",
                    "f.jsonl line 1: corpus-ids[0]: is an integer"},
        RefusedFile{"no list", refusal<read_id_lists>, "{\"query-id\":\"q\"}", "\"corpus-ids\" is missing"},
        RefusedFile{"no id", refusal<read_instructions>, "{\"instruction\":\"x\"}", "\"query-id\" is missing"},
        RefusedFile{"an instruction that is a list", refusal<read_instructions>, "{\"_id\":\"q\",\"instruction\":[]}",
                    "instruction: is an array"},
        RefusedFile{"no gold", refusal<read_examples>, "{\"id\":\"1\",\"gold_ids\":[]}",
                    "no query with a gold passage"},
        RefusedFile{"an example twice", refusal<read_examples>,
                    "{\"id\":\"1\",\"gold_ids\":[\"a\"]}\n{\"id\":\"1\",\"gold_ids\":[\"a\"]}", "f.jsonl line 2"},
        RefusedFile{"a prompt without the query", refusal<read_prompts>, "{\"a\":\"b\"}", "has no FILL_QUERY_HERE"},
        RefusedFile{"prompts that are cut", refusal<read_prompts>, "{\"a\":", "f.jsonl"}));
TEST_P(Refused, NamesFileAndLine) {
  const Status status = GetParam().read(GetParam().text);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Error::Code::kBadInput);
  EXPECT_NE(status.error().message().find(GetParam().message), std::string::npos) << status.error().message();
}

}  // namespace
}  // namespace rerank::evaluation
