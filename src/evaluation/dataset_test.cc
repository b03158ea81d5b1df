#include "evaluation/dataset.h"

#include <gtest/gtest.h>

#include "io/test_files.h"
#include "support/shared_data.h"

namespace rerank::evaluation {
namespace {

using rerank::testing::TempFolder;

TextReader reader_of(std::string_view text, TextReader::Kind kind) {
  return TextReader::over(io::LineReader::over(text, "c.jsonl"), kind);
}

TEST(Dataset, ReadsAFolder) {
  const TempFolder folder;
  folder.write("corpus.jsonl",
               "{\"_id\": \"d1\", \"title\": \"Pandas\", \"text\": \"eat bamboo.\", \"metadata\": {}}\n"
               "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"no title\"}\n\n{\"_id\": \"d3\", \"text\": \"\"}\n"
               "{\"_id\": \"d4\", \"title\": null, \"text\": \"not wanted\"}\n");
  folder.write("queries.jsonl",
               "{\"_id\": \"q2\", \"text\": \"b\"}\n{\"_id\": \"q1\", \"text\": \"a\", \"metadata\": {}}\n");
  folder.write("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");

  const auto passages = read_passages(folder.path() / "corpus.jsonl", {"d1", "d2", "d3", "d9"});
  ASSERT_TRUE(passages.ok()) << passages.error().message();
  EXPECT_EQ(passages.value(), (Passages{{"d1", "Pandas eat bamboo."}, {"d2", "no title"}, {"d3", ""}}));

  const auto queries = read_queries(folder.path() / "queries.jsonl");
  ASSERT_TRUE(queries.ok()) << queries.error().message();
  ASSERT_EQ(queries.value().size(), 2U);
  EXPECT_EQ(queries.value()[0].id, "q2");
  EXPECT_EQ(queries.value()[1].text, "a");

  EXPECT_TRUE(read_split(folder.path(), "dev").ok());
  const auto no_split = read_split(folder.path(), "test");
  ASSERT_FALSE(no_split.ok());
  EXPECT_EQ(no_split.error().code, Error::Code::kNotFound);
  EXPECT_EQ(no_split.error().fix, "this data set has the splits dev");
}

TEST(Dataset, SaysWhatAFolderShouldHold) {
  const TempFolder folder;
  for (const Error& error :
       {read_passages(folder.path() / "corpus.jsonl", {}).error(),
        read_queries(folder.path() / "queries.jsonl").error(), read_split(folder.path(), "test").error()}) {
    EXPECT_EQ(error.code, Error::Code::kNotFound);
    EXPECT_EQ(error.fix, "a data set is a folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv");
  }
}

struct RefusedCase {
  const char* why;
  std::string second_line, message;
};
void PrintTo(const RefusedCase& row, std::ostream* out) {
  *out << row.why;
}
class RefusedPassage : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedPassage,
    ::testing::Values(RefusedCase{"no id", R"({"text": "x"})", "c.jsonl line 2: \"_id\" is missing"},
                      RefusedCase{"an id that is a number", R"({"_id": 7, "text": "x"})",
                                  "c.jsonl line 2: _id: is an integer, expected a string"},
                      RefusedCase{"no text", R"({"_id": "d2"})", "c.jsonl line 2: \"text\" is missing"},
                      RefusedCase{"a title that is a list", R"({"_id": "d2", "title": [], "text": "x"})",
                                  "c.jsonl line 2: title: is an array, expected a string"},
                      RefusedCase{"no object", "[]", "c.jsonl line 2: is an array, expected an object"},
                      RefusedCase{"an id twice", R"({"_id": "d1", "text": "x"})",
                                  "c.jsonl line 2: _id \"d1\" stands in an earlier line already"}));
TEST_P(RefusedPassage, NamesTheLine) {
  const auto& [why, second_line, message] = GetParam();
  const std::string text = "{\"_id\": \"d1\", \"text\": \"x\"}\n" + second_line + "\n";
  const auto passages = read_passages(reader_of(text, TextReader::Kind::kPassages), {"d1", "d2"});
  ASSERT_FALSE(passages.ok());
  EXPECT_EQ(passages.error().code, Error::Code::kBadInput);
  EXPECT_NE(passages.error().message().find(message), std::string::npos) << passages.error().message();
  if (message.find("title") == message.npos) {
    const auto queries = read_queries(reader_of(text, TextReader::Kind::kQueries));
    ASSERT_FALSE(queries.ok());
    EXPECT_NE(queries.error().message().find(message), std::string::npos) << queries.error().message();
  }
}

TEST(Dataset, FindsFlagEmbeddingsLayoutAndPackedParts) {
  const TempFolder folder;
  folder.write("corpus.jsonl.gz", "");
  folder.write("dev_queries.jsonl", "{\"id\": \"q1\", \"text\": \"a\"}\n");
  folder.write("dev_qrels.jsonl.zst", "");
  folder.write("dev_qrels.jsonl", "{\"qid\": \"q1\", \"docid\": \"d1\", \"relevance\": 1}\n");
  const Collection found = find_collection(folder.path(), "dev");
  EXPECT_EQ(found.corpus.filename(), "corpus.jsonl.gz");
  EXPECT_EQ(found.queries.filename(), "dev_queries.jsonl");
  EXPECT_EQ(found.qrels.filename(), "dev_qrels.jsonl");
  EXPECT_EQ(read_queries(found.queries).value()[0].id, "q1");
  EXPECT_EQ(read_split(folder.path(), "dev").value().queries.size(), 1U);
}

TEST(Dataset, LeavesOutBadLinesWhereThatIsAllowed) {
  std::vector<std::string> met;
  const BadLine skip = [&](Error error) -> Status {
    met.push_back(error.where);
    return {};
  };
  const std::string text =
      "{\"_id\":\"a\",\"text\":\"1\"}\nx\n{\"_id\":\"a\",\"text\":\"2\"}\n{\"_id\":\"b\",\"text\":\"3\"}\n";
  EXPECT_EQ(read_passages(reader_of(text, TextReader::Kind::kPassages), {"a", "b"}, skip).value(),
            (Passages{{"a", "1"}, {"b", "3"}}));
  EXPECT_EQ(read_queries(reader_of(text, TextReader::Kind::kQueries), skip).value().size(), 2U);
  EXPECT_EQ(met, (std::vector<std::string>{"c.jsonl line 2", "c.jsonl line 3", "c.jsonl line 2", "c.jsonl line 3"}));
}

// In each collection, every passage of the first stage and every judged query has its text.
TEST(Dataset, APassageOfSeveralRequestsIsOne) {
  const auto request = [](const char* query, const char* text) {
    return std::string("{\"query\":{\"qid\":\"") + query +
           "\",\"text\":\"\"},\"candidates\":[{\"docid\":\"a\",\"score\":1," + "\"doc\":{\"text\":\"" + text +
           "\"}}]}\n";
  };
  const auto read = [](const std::string& file) {
    return read_passages(TextReader::over(io::LineReader::over(file, "f"), TextReader::Kind::kPassages), {"a"});
  };
  const auto same = read(request("1", "x") + request("2", "x"));
  ASSERT_TRUE(same.ok()) << same.error().message();
  EXPECT_EQ(same.value(), (Passages{{"a", "x"}}));
  const auto differ = read(request("1", "x") + request("2", "y"));
  ASSERT_FALSE(differ.ok());
  EXPECT_EQ(differ.error().message(),
            "f line 2: passage \"a\" has another text in an earlier line (keep one of the two)");
}

TEST(Dataset, HoldsWhatRunsAndJudgementsName) {
  RERANK_NEED_SHARED("data");
  for (const char* name : {"scifact", "cranfield", "xquad/en", "xquad/th", "cosqa", "cmrc2018"}) {
    const auto folder = rerank::testing::shared_dir() / "data" / name;
    const auto run = read_run((folder / "run.bm25.txt").string());
    ASSERT_TRUE(run.ok()) << run.error().message();
    std::unordered_set<std::string> wanted;
    for (const Ranking& ranking : run.value().rankings)
      for (const ScoredPassage& passage : ranking.passages) wanted.insert(passage.passage_id);
    const auto passages = read_passages(folder / "corpus.jsonl", wanted);
    ASSERT_TRUE(passages.ok()) << passages.error().message();
    EXPECT_EQ(passages.value().size(), wanted.size()) << name;
    const auto queries = read_queries(folder / "queries.jsonl");
    const auto qrels = read_split(folder, "test");
    ASSERT_TRUE(queries.ok() && qrels.ok()) << name;
    EXPECT_EQ(queries.value().size(), qrels.value().queries.size()) << name;
  }
}

}  // namespace
}  // namespace rerank::evaluation
