#include "evaluation/trec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/test_files.h"

namespace rerank::evaluation {
namespace {

using rerank::testing::read_file;
using rerank::testing::TempFolder;

Result<Run> run_of(std::string_view text) {
  return read_run(io::LineReader::over(text, "r.trec"));
}
Result<Qrels> qrels_of(std::string_view text) {
  return read_qrels(io::LineReader::over(text, "q.tsv"));
}

// "q1: d1=12.5 d2=-3; q2: d1=1"
std::string text_of(const Run& run) {
  std::string text;
  for (const Ranking& ranking : run.rankings) {
    text += (text.empty() ? "" : "; ") + ranking.query_id + ":";
    for (const ScoredPassage& passage : ranking.passages)
      text += " " + passage.passage_id + "=" + ::testing::PrintToString(passage.score);
  }
  return text;
}
std::string text_of(const Qrels& qrels) {
  std::string text;
  for (const JudgedQuery& query : qrels.queries) {
    text += (text.empty() ? "" : "; ") + query.query_id + ":";
    for (const Judgement& judgement : query.judgements)
      text += " " + judgement.passage_id + "=" + std::to_string(judgement.relevance);
  }
  return text;
}

struct AcceptedCase {
  const char* why;
  std::string file, read;
};
struct RefusedCase {
  const char* why;
  std::string file, message;
};
void PrintTo(const AcceptedCase& row, std::ostream* out) {
  *out << row.why;
}
void PrintTo(const RefusedCase& row, std::ostream* out) {
  *out << row.why;
}

class AcceptedRun : public ::testing::TestWithParam<AcceptedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, AcceptedRun,
    ::testing::Values(
        AcceptedCase{"one blank between columns", "q1 Q0 d1 1 12.5 t\nq1 Q0 d2 2 -3 t\nq2 Q0 d1 1 1 t\n",
                     "q1: d1=12.5 d2=-3; q2: d1=1"},
        AcceptedCase{"tabs, more blanks, blanks at the ends", " q1\tQ0  d1 \t1 2 t \n", "q1: d1=2"},
        AcceptedCase{"CRLF, a byte order mark, no last line end", "\xEF\xBB\xBFq1 Q0 d1 1 2 t\r\nq1 Q0 d2 2 1 t",
                     "q1: d1=2 d2=1"},
        AcceptedCase{"blank lines", "\n  \nq1 Q0 d1 1 2 t\n\n", "q1: d1=2"},
        AcceptedCase{"a query in two places", "q1 Q0 a 1 2 t\nq2 Q0 a 1 2 t\nq1 Q0 b 2 1 t\n", "q1: a=2 b=1; q2: a=2"},
        AcceptedCase{"ranks that are none", "q1 Q0 a x 1 t\nq1 Q0 b -1 2 t\n", "q1: a=1 b=2"},
        AcceptedCase{"one rank for all", "q1 Q0 a 1 1 t\nq1 Q0 b 1 2 t\n", "q1: a=1 b=2"},
        AcceptedCase{"lines in any order, ties by rank", "q1 Q0 b 2 1 t\nq1 Q0 c 3 1 t\nq1 Q0 a 1 2 t\n",
                     "q1: b=1 c=1 a=2"},
        AcceptedCase{"ids are bytes", "\xE4 Q0 \xC3\xA4/#1 1 1 t\n", "\xE4: \xC3\xA4/#1=1"},
        AcceptedCase{"all ways to write a number", "q Q0 a 1 +1e2 t\nq Q0 b 1 .5 t\nq Q0 c 1 -0 t\n",
                     "q: a=100 b=0.5 c=-0"},
        AcceptedCase{"rounded to float", "q Q0 a 1 1.00000001 t\n", "q: a=1"},
        AcceptedCase{"MS MARCO", "q1\td1\t1\nq1\td2\t2\n", "q1: d1=-1 d2=-2"},
        AcceptedCase{"TSV with names", "rank\tscore\tdocno\tqid\n1\t2.5\td1\tq1\n", "q1: d1=2.5"},
        AcceptedCase{"CSV with names, CRLF and a byte order mark",
                     "\xEF\xBB\xBFQuery-ID,doc_id,Score,note\r\nq1,\"d,\"\"1\"\"\",2.5,\r\n", "q1: d,\"1\"=2.5"},
        AcceptedCase{"semicolons", "query_id;docid;score\nq1;d1;2\n", "q1: d1=2"},
        AcceptedCase{"flat JSON", "\n{\"q1\": {\"d1\": 2.5,\n\"d2\": 1}, \"q2\": {\"d1\": -1e1}}",
                     "q1: d1=2.5 d2=1; q2: d1=-10"},
        AcceptedCase{"FlagEmbedding's results",
                     R"({"eval_name": "x", "split": "test", "search_results": {"q1": {"d1": 2}}})", "q1: d1=2"},
        AcceptedCase{"mteb's predictions",
                     R"({"mteb_model_meta": {"a": {"b": 1}}, "default": {"test": {"q1": {"d1": 2}}}})", "q1: d1=2"},
        AcceptedCase{"rank_llm, one a line",
                     R"({"query":{"qid":7,"text":"x"},"candidates":[{"docid":"a","score":2,"doc":{}},)"
                     R"({"docid":8,"score":1}]})"
                     "\n\n"
                     R"({"query":{"qid":"q2"},"candidates":[{"docid":"a","score":0.5}]})",
                     "7: a=2 8=1; q2: a=0.5"},
        AcceptedCase{"rank_llm in a list",
                     "[\n{\"query\":{\"qid\":\"q1\"},\n\"candidates\":[{\"docid\":\"a\",\"score\":2}]}]", "q1: a=2"}));
TEST_P(AcceptedRun, IsRead) {
  const auto& [why, file, read] = GetParam();
  const auto run = run_of(file);
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(text_of(run.value()), read);
}

class RefusedRun : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedRun,
    ::testing::Values(
        RefusedCase{"nothing", "\n", "r.trec: holds no ranking"},
        RefusedCase{"five columns", "q Q0 a 1 1 t\nq Q0 b 1 1\n",
                    "r.trec line 2: has 5 columns, expected 6 (a line is QUERY Q0 PASSAGE"},
        RefusedCase{"seven columns", "q Q0 a 1 1 my tag\n", "r.trec line 1: has 7 columns"},
        RefusedCase{"NaN", "q Q0 a 1 nan t\n", "r.trec line 1: score is \"nan\", expected a finite number"},
        RefusedCase{"infinity", "q Q0 a 1 -inf t\n", "score is \"-inf\""},
        RefusedCase{"beyond the floats", "q Q0 a 1 1e39 t\n", "score is \"1e39\""},
        RefusedCase{"beyond the doubles", "q Q0 a 1 1e999 t\n", "score is \"1e999\""},
        RefusedCase{"no number", "q Q0 a 1 1,5 t\n", "score is \"1,5\""},
        RefusedCase{"a quote without end", "qid,docid,score\nq,\"d,1\n", "r.trec line 2: a quoted field has no end"},
        RefusedCase{"text behind a quote", "qid,docid,score\nq,\"d\"x,1\n",
                    "r.trec line 2: text stands behind a quoted field"},
        RefusedCase{"mixed separators", "qid,docid,score\nq,d,1\nq\te\t1\n",
                    "r.trec line 3: has 1 columns, expected 3 as in the header (divide the columns by"},
        RefusedCase{"an id with a blank", "qid,docid,score\nq 1,d,1\n",
                    "r.trec line 2: an id is empty or holds a blank"},
        RefusedCase{"a rank that is none", "q\td\t1\nq\te\tx\n", "r.trec line 2: rank is \"x\""},
        RefusedCase{"JSON with a text as score", R"({"q": {"d": "1"}})",
                    "r.trec: q.d: score is \"\", expected a finite number"},
        RefusedCase{"JSON with a list", R"({"q": ["d"]})", "r.trec: q: is an array, expected an object"},
        RefusedCase{"two subsets", R"({"a": {"test": {"q": {"d": 1}}}, "b": {"test": {"q": {"d": 1}}}})",
                    "holds more than one subset"},
        RefusedCase{"JSON cut in the middle", R"({"q": {"d": 1)", "r.trec"},
        RefusedCase{"a bad line of rank_llm",
                    "{\"query\":{\"qid\":1},\"candidates\":[]}\n{\"query\":{},\"candidates\":[]}\n",
                    "r.trec line 2: query: \"qid\" is missing"},
        RefusedCase{"a JSON pair twice", R"({"q": {"d": 1, "d": 2}})",
                    "r.trec: query q and passage d stand there twice"},
        RefusedCase{"a score above that of an earlier rank", "q Q0 a 1 3 t\nr Q0 a 1 1 t\nq Q0 b 3 2 t\nq Q0 c 2 1 t\n",
                    "r.trec line 3: query q has score 2 at rank 3, and 1 at rank 2 in line 4 (scores have to fall"},
        RefusedCase{"the same with named columns", "qid,docid,rank,score\nq,a,0,1\nq,b,1,2\n",
                    "r.trec line 3: query q has score 2 at rank 1, and 1 at rank 0 in line 2"},
        RefusedCase{"two signs", "q Q0 a 1 +-1 t\n", "score is \"+-1\""},
        RefusedCase{"a pair twice", "q Q0 a 1 2 t\nr Q0 a 1 2 t\n\nq Q0 a 2 1 t\n",
                    "r.trec line 4: query q and passage a stand in line 1 already (keep one"}));
TEST_P(RefusedRun, NamesTheLine) {
  const auto& [why, file, message] = GetParam();
  const auto run = run_of(file);
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, Error::Code::kBadInput);
  EXPECT_NE(run.error().message().find(message), std::string::npos) << run.error().message();
}

class AcceptedQrels : public ::testing::TestWithParam<AcceptedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, AcceptedQrels,
    ::testing::Values(AcceptedCase{"TREC", "q1 0 d1 1\nq1 0 d2 0\nq2\tQ0\td1\t-1\n", "q1: d1=1 d2=0; q2: d1=-1"},
                      AcceptedCase{"BEIR", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n", "q1: d1=2 d2=0"},
                      AcceptedCase{"FlagEmbedding, one a line",
                                   "{\"qid\":\"q1\",\"docid\":\"d1\",\"relevance\":1}\n"
                                   "{\"qid\":\"q1\",\"docid\":\"d2\",\"relevance\":0}\n",
                                   "q1: d1=1 d2=0"},
                      AcceptedCase{"flat JSON", R"({"q1": {"d1": 1, "d2": 0}})", "q1: d1=1 d2=0"},
                      AcceptedCase{"CSV with names", "qid,iteration,docno,label\nq1,0,d1,2\n", "q1: d1=2"},
                      AcceptedCase{"BEIR ids may hold blanks", "query-id\tcorpus-id\tscore\nq 1\td 1\t2\n",
                                   "q 1: d 1=2"},
                      AcceptedCase{"BEIR with CRLF and a byte order mark",
                                   "\xEF\xBB\xBFquery-id\tcorpus-id\tscore\r\nq1\td1\t2\r\n\r\n", "q1: d1=2"},
                      AcceptedCase{"TREC with a byte order mark",
                                   "\xEF\xBB\xBF"
                                   "1 0 2 3",
                                   "1: 2=3"}));
TEST_P(AcceptedQrels, AreRead) {
  const auto& [why, file, read] = GetParam();
  const auto qrels = qrels_of(file);
  ASSERT_TRUE(qrels.ok()) << qrels.error().message();
  EXPECT_EQ(text_of(qrels.value()), read);
}

class RefusedQrels : public ::testing::TestWithParam<RefusedCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RefusedQrels,
    ::testing::Values(
        RefusedCase{"nothing", "", "q.tsv: holds no judgement"},
        RefusedCase{"only the header", "query-id\tcorpus-id\tscore\n", "q.tsv: holds no judgement"},
        RefusedCase{"TREC with three columns", "q1 d1 1\n",
                    "q.tsv line 1: has 3 columns, expected 4 (a line is QUERY ITERATION"},
        RefusedCase{"a header divided by blanks", "query-id corpus-id score\n",
                    "q.tsv line 1: header is \"query-id corpus-id score\", expected query-id, corpus-id and score"},
        RefusedCase{"BEIR divided by blanks", "query-id\tcorpus-id\tscore\nq1 d1 1\n",
                    "q.tsv line 2: has 1 columns, expected 3"},
        RefusedCase{"BEIR with an empty id", "query-id\tcorpus-id\tscore\n\td1\t1\n", "q.tsv line 2: an id is empty"},
        RefusedCase{"BEIR with two tabs", "query-id\tcorpus-id\tscore\nq1\t\td1\t1\n", "q.tsv line 2: has 4 columns"},
        RefusedCase{"a fraction", "q1 0 d1 1.5\n", "q.tsv line 1: relevance is \"1.5\", expected an integer"},
        RefusedCase{"a word", "query-id\tcorpus-id\tscore\nq1\td1\tyes\n", "q.tsv line 2: relevance is \"yes\""},
        RefusedCase{"too large", "q1 0 d1 99999999999\n", "relevance is \"99999999999\""},
        RefusedCase{"a pair twice", "q1 0 d1 1\nq1 0 d1 1\n",
                    "q.tsv line 2: query q1 and passage d1 stand in line 1 already"}));
TEST_P(RefusedQrels, NameTheLine) {
  const auto& [why, file, message] = GetParam();
  const auto qrels = qrels_of(file);
  ASSERT_FALSE(qrels.ok());
  EXPECT_EQ(qrels.error().code, Error::Code::kBadInput);
  EXPECT_NE(qrels.error().message().find(message), std::string::npos) << qrels.error().message();
}

TEST(Trec, AMissingFileIsNotFound) {
  EXPECT_EQ(read_run("/nowhere/run.trec").error().code, Error::Code::kNotFound);
  EXPECT_EQ(read_qrels("/nowhere/qrels").error().code, Error::Code::kNotFound);
}

TEST(Trec, EqualScoresRankByPassageIdLargestFirst) {
  std::vector<ScoredPassage> passages = {{"d10", 1}, {"d2", 1}, {"a", 2}, {"\xC3\xA4", 1}, {"d1", 1}};
  sort_as_trec_eval(passages);
  std::string order;
  for (const ScoredPassage& passage : passages) order += passage.passage_id + " ";
  EXPECT_EQ(order, "a \xC3\xA4 d2 d10 d1 ");  // bytes, not numbers or letters
}

TEST(RunWriter, WritesWhatReadsBackTheSame) {
  const TempFolder folder;
  const std::string path = (folder.path() / "out.trec").string();
  auto output = io::OutputFile::open(path);
  ASSERT_TRUE(output.ok());
  RunWriter writer(std::move(output).value(), "my tag");
  const std::vector<ScoredPassage> first = {{"a", 0.1F}, {"b", 1e-30F}, {"c", -5.6520915F}};
  ASSERT_TRUE(writer.write("q1", first).ok());
  EXPECT_EQ(read_file(path), "q1 Q0 a 1 0.1 my_tag\nq1 Q0 b 2 1e-30 my_tag\nq1 Q0 c 3 -5.6520915 my_tag\n");
  ASSERT_TRUE(writer.write("q2", std::vector<ScoredPassage>{{"a", 16777217.0F}}).ok());
  ASSERT_TRUE(writer.close().ok());
  const auto run = read_run(path);
  ASSERT_TRUE(run.ok()) << run.error().message();
  ASSERT_EQ(run.value().rankings.size(), 2U);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(run.value().rankings[0].passages[i].score, first[i].score);
}

TEST(RunWriter, RefusesWhatWouldNotReadBack) {
  const TempFolder folder;
  const std::string path = (folder.path() / "out.trec").string();
  auto output = io::OutputFile::open(path);
  ASSERT_TRUE(output.ok());
  RunWriter writer(std::move(output).value(), "tag");
  ASSERT_TRUE(writer.write("q1", std::vector<ScoredPassage>{{"a", 1}}).ok());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(writer.write("q 2", std::vector<ScoredPassage>{{"a", 1}}).ok());
  EXPECT_FALSE(writer.write("", std::vector<ScoredPassage>{{"a", 1}}).ok());
  EXPECT_FALSE(writer.write("q2", std::vector<ScoredPassage>{{"a", 1}, {"b\n", 1}}).ok());
  EXPECT_FALSE(writer.write("q2", std::vector<ScoredPassage>{{"a", 1}, {"b", nan}}).ok());
  EXPECT_EQ(read_file(path), "q1 Q0 a 1 1 tag\n");
}

TEST(BadLines, AQueryWhoseRanksContradictItsScoresIsKept) {
  std::vector<std::string> met;
  const BadLine note = [&](const Error& error) -> Status {
    met.push_back(error.where);
    return {};
  };
  const auto run = read_run(
      io::LineReader::over("q Q0 a 1 1 t\nq Q0 b 2 2 t\nq Q0 b 2 9 t\nq Q0 c 3 3 t\nr Q0 a 1 1 t\n", "r.trec"), note);
  ASSERT_TRUE(run.ok()) << run.error().message();
  EXPECT_EQ(text_of(run.value()), "q: a=1 b=2 c=3; r: a=1");
  EXPECT_EQ(met, (std::vector<std::string>{"r.trec line 3", "r.trec line 2"})) << "the repeated line, then one a query";
}

TEST(Places, OfPairsInEveryForm) {
  const TempFolder folder;
  const auto first = [&](const char* name, const std::string& text, PairFile kind) {
    const std::string path = folder.write(name, text);
    const std::string place = first_place(
        path, kind, [](std::string_view query, std::string_view passage) { return query == "q2" && passage == "b"; });
    return place.substr(folder.path().string().size() + 1);
  };
  EXPECT_EQ(first("run.trec", "q1 Q0 b 1 2 t\nbad\nq2 Q0 a 1 2 t\nq2 Q0 b 2 1 t\n", PairFile::kRun), "run.trec line 4");
  EXPECT_EQ(first("run.tsv", "q1\tb\t1\nq2\tb\t1\n", PairFile::kRun), "run.tsv line 2");
  EXPECT_EQ(first("run.csv", "qid,docid,score\nq2,b,1\n", PairFile::kRun), "run.csv line 2");
  EXPECT_EQ(first("run.json", R"({"q1": {"b": 1}, "q2": {"b": 2}})", PairFile::kRun), "run.json: q2.b");
  EXPECT_EQ(first("run.jsonl",
                  "{\"query\":{\"qid\":\"q1\"},\"candidates\":[]}\n"
                  "{\"query\":{\"qid\":\"q2\"},\"candidates\":[{\"docid\":\"b\",\"score\":1}]}\n",
                  PairFile::kRun)
                .substr(0, 16),
            "run.jsonl line 2");
  EXPECT_EQ(first("qrels.txt", "q2 0 b 1\n", PairFile::kQrels), "qrels.txt line 1");
  EXPECT_EQ(first("other.txt", "q2 0 c 1\n", PairFile::kQrels), "other.txt") << "not there";
}

TEST(BadLines, AreLeftOutWhereThatIsAllowed) {
  std::vector<std::string> met;
  const BadLine skip = [&](Error error) -> Status {
    met.push_back(error.where);
    return {};
  };
  const auto run = read_run(
      io::LineReader::over("q Q0 a 1 nan t\nq Q0 b 1 2 t\nq Q0\nq Q0 c 1 1 t\nq Q0 b 1 9 t\nq Q0 b 1 9 t\n", "r"),
      skip);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(text_of(run.value()), "q: b=2 c=1");
  EXPECT_EQ(met, (std::vector<std::string>{"r line 1", "r line 3", "r line 5", "r line 6"}));
  met.clear();
  const auto qrels = read_qrels(io::LineReader::over("qid,docid,rel\nq,a,x\nq,b,1\nq,b,0\n", "q"), skip);
  ASSERT_TRUE(qrels.ok());
  EXPECT_EQ(text_of(qrels.value()), "q: b=1");
  EXPECT_EQ(met, (std::vector<std::string>{"q line 2", "q line 4"}));
}

}  // namespace
}  // namespace rerank::evaluation
