#include "evaluation/forms.h"

#include <gtest/gtest.h>

#include <limits>

namespace rerank::evaluation {
namespace {

using Kind = TextReader::Kind;

TakeText into(std::string& text) {
  return [&text](std::string_view piece) -> Status {
    text += piece;
    return {};
  };
}

std::string text_of(const Run& run) {
  std::string text;
  for (const Ranking& ranking : run.rankings) {
    text += ranking.query_id + ":";
    for (const ScoredPassage& passage : ranking.passages)
      text += " " + passage.passage_id + "=" + ::testing::PrintToString(passage.score);
    text += "\n";
  }
  return text;
}

const Run kRun = {
    {{"q2", {{"d/1", -0.1F}, {"d2", 2.5e-8F}, {"d3", 2.5e-8F}}}, {"q1", {{"d2", std::numeric_limits<float>::max()}}}}};

struct RunCase {
  const char* form;
  std::string file;
};
void PrintTo(const RunCase& row, std::ostream* out) {
  *out << row.form;
}

class RunForms : public ::testing::TestWithParam<RunCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, RunForms,
    ::testing::Values(
        RunCase{"trec",
                "q2 Q0 d3 1 2.5e-08 my_run\nq2 Q0 d2 2 2.5e-08 my_run\nq2 Q0 d/1 3 -0.1 my_run\n"
                "q1 Q0 d2 1 3.4028235e+38 my_run\n"},
        RunCase{"msmarco", "q2\td3\t1\nq2\td2\t2\nq2\td/1\t3\nq1\td2\t1\n"},
        RunCase{"json",
                "{\n\"q2\": {\"d3\": 2.5e-08, \"d2\": 2.5e-08, \"d/1\": -0.1},\n"
                "\"q1\": {\"d2\": 3.4028235e+38}\n}\n"},
        RunCase{"flagembedding",
                "{\"eval_name\": \"rerank\", \"model_name\": \"my run\", \"reranker_name\": \"NoReranker\", \"split\": "
                "\"test\", \"dataset_name\": \"rerank\", \"search_results\": {\n\"q2\": {\"d3\": 2.5e-08, \"d2\": "
                "2.5e-08, \"d/1\": -0.1},\n\"q1\": {\"d2\": 3.4028235e+38}\n}}\n"},
        RunCase{"mteb",
                "{\"mteb_model_meta\": {\"model_name\": \"my run\", \"revision\": \"no_revision_available\"}, "
                "\"default\": {\"test\": {\n\"q2\": {\"d3\": 2.5e-08, \"d2\": 2.5e-08, \"d/1\": -0.1},\n"
                "\"q1\": {\"d2\": 3.4028235e+38}\n}}}\n"},
        RunCase{"rank_llm",
                "{\"query\": {\"text\": \"why?\", \"qid\": \"q2\"}, \"candidates\": [{\"docid\": \"d3\", \"score\": "
                "2.5e-08, \"doc\": {}}, {\"docid\": \"d2\", \"score\": 2.5e-08, \"doc\": {\"text\": \"because\"}}, "
                "{\"docid\": \"d/1\", \"score\": -0.1, \"doc\": {}}]}\n"
                "{\"query\": {\"text\": \"\", \"qid\": \"q1\"}, \"candidates\": [{\"docid\": \"d2\", \"score\": "
                "3.4028235e+38, \"doc\": {\"text\": \"because\"}}]}\n"},
        RunCase{"csv",
                "query_id,passage_id,rank,score\nq2,d3,1,2.5e-08\nq2,d2,2,2.5e-08\nq2,d/1,3,-0.1\n"
                "q1,d2,1,3.4028235e+38\n"},
        RunCase{"tsv",
                "query_id\tpassage_id\trank\tscore\nq2\td3\t1\t2.5e-08\nq2\td2\t2\t2.5e-08\n"
                "q2\td/1\t3\t-0.1\nq1\td2\t1\t3.4028235e+38\n"}));
TEST_P(RunForms, AreWrittenAndReadBack) {
  const auto& [name, file] = GetParam();
  const RunTexts texts = {{{"q2", "why?"}}, {{"d2", "because"}}};
  std::string written;
  const Form form = parse_form(name).value();
  ASSERT_TRUE(write_run(kRun, form, "my run", texts, into(written)).ok());
  EXPECT_EQ(written, file);
  const auto read = read_run(io::LineReader::over(written, "f"));
  ASSERT_TRUE(read.ok()) << read.error().message();
  evaluation::Run best_first = kRun;
  for (Ranking& ranking : best_first.rankings) {
    sort_as_trec_eval(ranking.passages);
    for (std::size_t i = 0; i < ranking.passages.size() && form == Form::kMsMarco; ++i)
      ranking.passages[i].score = -static_cast<float>(i + 1);  // has no scores
  }
  EXPECT_EQ(text_of(read.value()), text_of(best_first));
}

TEST(QrelsForms, AreWrittenAndReadBack) {
  const Qrels qrels = {{{"q 1", {{"d1", 1}, {"d\"2,", -2}}}, {"q2", {{"d1", 0}}}}};
  struct Row {
    const char* form;
    std::string file;
  };
  const Row rows[] = {
      {"beir", "query-id\tcorpus-id\tscore\nq 1\td1\t1\nq 1\td\"2,\t-2\nq2\td1\t0\n"},
      {"json", "{\n\"q 1\": {\"d1\": 1, \"d\\\"2,\": -2},\n\"q2\": {\"d1\": 0}\n}\n"},
      {"flagembedding",
       "{\"qid\": \"q 1\", \"docid\": \"d1\", \"relevance\": 1}\n{\"qid\": \"q 1\", \"docid\": \"d\\\"2,\", "
       "\"relevance\": -2}\n{\"qid\": \"q2\", \"docid\": \"d1\", \"relevance\": 0}\n"},
      {"csv", "query_id,passage_id,relevance\nq 1,d1,1\nq 1,\"d\"\"2,\",-2\nq2,d1,0\n"},
      {"tsv", "query_id\tpassage_id\trelevance\nq 1\td1\t1\nq 1\td\"2,\t-2\nq2\td1\t0\n"},
  };
  for (const Row& row : rows) {
    std::string written;
    ASSERT_TRUE(write_qrels(qrels, parse_form(row.form).value(), into(written)).ok()) << row.form;
    EXPECT_EQ(written, row.file) << row.form;
    const auto read = read_qrels(io::LineReader::over(written, "f"));
    ASSERT_TRUE(read.ok()) << read.error().message();
    std::string again;
    ASSERT_TRUE(write_qrels(read.value(), parse_form(row.form).value(), into(again)).ok());
    EXPECT_EQ(again, written) << row.form;
  }
  std::string written;
  const Status refused = write_qrels(qrels, Form::kTrec, into(written));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().what, "id \"q 1\" holds a blank or a line end, which the form trec cannot hold");
  ASSERT_TRUE(write_qrels({{{"q", {{"d", 3}}}}}, Form::kTrec, into(written)).ok());
  EXPECT_EQ(written, "q 0 d 3\n");
}

TEST(TextForms, AreWrittenAndReadBack) {
  const TextRecord passage{"d1", "A title and \"text\", & <more>", "in line 7", true, 7};
  const TextRecord bare{"d2", "no title", "in line 8", false, 0};
  struct Row {
    const char* form;
    Kind kind;
    std::string file;
    bool keeps_titles = false;
  };
  const Row rows[] = {
      {"beir", Kind::kPassages,
       "{\"_id\": \"d1\", \"title\": \"A title\", \"text\": \"and \\\"text\\\", & <more>\"}\n"
       "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"no title\"}\n",
       true},
      {"flagembedding", Kind::kPassages,
       "{\"id\": \"d1\", \"title\": \"A title\", \"text\": \"and \\\"text\\\", & <more>\"}\n"
       "{\"id\": \"d2\", \"text\": \"no title\"}\n",
       true},
      {"msmarco", Kind::kPassages, "d1\tA title and \"text\", & <more>\nd2\tno title\n"},
      {"csv", Kind::kPassages, "id,title,text\nd1,A title,\"and \"\"text\"\", & <more>\"\nd2,,no title\n", true},
      {"tsv", Kind::kPassages, "id\ttitle\ttext\nd1\tA title\tand \"text\", & <more>\nd2\t\tno title\n", true},
      {"beir", Kind::kQueries,
       "{\"_id\": \"d1\", \"text\": \"A title and \\\"text\\\", & <more>\"}\n{\"_id\": \"d2\", \"text\": \"no "
       "title\"}\n"},
      {"msmarco", Kind::kQueries, "d1\tA title and \"text\", & <more>\nd2\tno title\n"},
      {"csv", Kind::kQueries, "query_id,text\nd1,\"A title and \"\"text\"\", & <more>\"\nd2,no title\n"},
      {"trec", Kind::kQueries,
       "<top>\n<num> Number: d1\n<title> A title and \"text\", &amp; &lt;more&gt;\n</top>\n\n"
       "<top>\n<num> Number: d2\n<title> no title\n</top>\n\n"},
  };
  for (const Row& row : rows) {
    std::string written;
    TextWriter writer(parse_form(row.form).value(), row.kind, into(written));
    ASSERT_TRUE(writer.begin().ok() && writer.write(passage).ok() && writer.write(bare).ok()) << row.form;
    EXPECT_EQ(written, row.file) << row.form;
    TextReader reader = TextReader::over(io::LineReader::over(written, "f"), row.kind);
    for (const TextRecord& expected : {passage, bare}) {
      const auto read = reader.next();
      ASSERT_TRUE(read.ok() && read.value()) << row.form;
      EXPECT_EQ(read.value()->id, expected.id) << row.form;
      EXPECT_EQ(read.value()->text, expected.text) << row.form;
      EXPECT_TRUE(!row.keeps_titles || read.value()->title_bytes == expected.title_bytes) << row.form;
    }
  }
}

TEST(TextForms, WhatTheyCannotHoldIsRefusedWithItsPlace) {
  std::string written;
  const TextRecord lines{"d1", "one\ntwo", "corpus.jsonl line 7", false, 0};
  for (const char* form : {"msmarco", "csv", "tsv"}) {
    const Status refused = TextWriter(parse_form(form).value(), Kind::kPassages, into(written)).write(lines);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().message(),
              std::string("corpus.jsonl line 7: the text of \"d1\" holds a tab or a line end, which the form ") + form +
                  " cannot hold (choose another form)");
  }
  const TextRecord bytes{"\xE4", "text", "line 1", false, 0};
  EXPECT_FALSE(TextWriter(Form::kBeir, Kind::kPassages, into(written)).write(bytes).ok());
  EXPECT_EQ(written, "");
  const evaluation::Run named = {{{"search_results", {{"d", 1}}}}};
  EXPECT_FALSE(write_run(named, Form::kJson, "", {}, into(written)).ok()) << "readers would take it for something else";
}

}  // namespace
}  // namespace rerank::evaluation
