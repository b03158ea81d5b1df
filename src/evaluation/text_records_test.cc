#include "evaluation/text_records.h"

#include <gtest/gtest.h>

#include "io/test_files.h"

namespace rerank::evaluation {
namespace {

using Kind = TextReader::Kind;
using rerank::testing::TempFolder;

// "d1=text; d2=text", an error as "!message".
std::string all_of(TextReader reader) {
  std::string text;
  while (true) {
    const auto record = reader.next();
    if (record.ok() && !record.value()) return text;
    if (!text.empty()) text.append("; ");
    if (record.ok())
      text.append(record.value()->id).append("=").append(record.value()->text);
    else
      text.append("!").append(record.error().message());
    if (!record.ok() && record.error().code != Error::Code::kBadInput) return text;
  }
}
std::string passages(std::string_view text) {
  return all_of(TextReader::over(io::LineReader::over(text, "f"), Kind::kPassages));
}
std::string queries(std::string_view text) {
  return all_of(TextReader::over(io::LineReader::over(text, "f"), Kind::kQueries));
}

TEST(TextRecords, FormsOfPassages) {
  EXPECT_EQ(passages("{\"_id\":\"a\",\"title\":\"T\",\"text\":\"x\"}\n\n{\"_id\":\"b\",\"text\":\"y\"}\n"),
            "a=T x; b=y");
  EXPECT_EQ(passages("{\"id\":\"a\",\"contents\":\"x\"}\n"), "a=x") << "pyserini";
  EXPECT_EQ(passages("{\"docid\":\"a\",\"title\":null,\"text\":\"x\"}\n"), "a=x");
  EXPECT_EQ(passages("\xEF\xBB\xBF"
                     "0\tfirst text\r\n1\tsecond\r\n"),
            "0=first text; 1=second")
      << "MS MARCO passages";
  EXPECT_EQ(passages("D1\thttp://x\tTitle\tBody\nD2\thttp://y\t\tBody\n"), "D1=Title Body; D2=Body") << "its documents";
  EXPECT_EQ(passages("id\ttext\ttitle\n1\tx\tT\n"), "1=T x") << "DPR's psgs_w100.tsv";
  EXPECT_EQ(passages("title,docno,text\nT,1,\"a, \"\"b\"\"\"\n"), "1=T a, \"b\"");
}

TEST(TextRecords, FormsOfQueries) {
  EXPECT_EQ(queries("{\"_id\":\"a\",\"text\":\"x\"}\n"), "a=x");
  EXPECT_EQ(queries("{\"qid\":\"a\",\"query\":\"x\"}\n"), "a=x");
  EXPECT_EQ(queries("1\twhat is a panda\n"), "1=what is a panda");
  EXPECT_EQ(queries("qid,query\n1,x\n"), "1=x");
  EXPECT_EQ(queries("<top>\n\n<num> Number: 301 \n<title> International\nCrime \n\n<desc> Description: \nIdentify\n\n"
                    "<narr> x\n</top>\n<top>\n<num>Number: 302\n<title>Topic: A &lt;b&gt; &amp;amp;\n</top>\n"),
            "301=International Crime; 302=A <b> &amp;");
  EXPECT_EQ(queries("<webtrack2009>\n<topic number=\"1\" type=\"faceted\">\n  <query>obama  family tree</query>\n"
                    "  <description>x</description>\n</topic>\n</webtrack2009>\n"),
            "1=obama family tree");
  EXPECT_EQ(queries("<top><num>7</num><title>x</title></top>"), "7=x");
}

TEST(TextRecords, OfRankLlmsRequests) {
  const std::string file =
      R"({"query":{"qid":7,"text":"why?"},"candidates":[{"docid":"a","score":2,"doc":{"title":"T","contents":"x"}},)"
      R"({"docid":8,"score":1,"doc":{"segment":"y"}}]})"
      "\n"
      R"({"query":{"qid":"q2","text":"how?"},"candidates":[{"docid":"a","score":1,"doc":{"title":"T","text":"x"}}]})"
      "\n"
      R"({"query":{"qid":"q3","text":"who?"},"candidates":[]})"
      "\n";
  const auto all = [&](TextReader::Kind kind) {
    std::string text;
    TextReader reader = TextReader::over(io::LineReader::over(file, "f"), kind);
    while (true) {
      const auto record = reader.next();
      if (!record.ok()) return text + record.error().message();
      if (!record.value()) return text;
      text += record.value()->id + "=" + record.value()->text + "@" + record.value()->where + ";";
    }
  };
  EXPECT_EQ(all(TextReader::Kind::kQueries), "7=why?@f line 1;q2=how?@f line 2;q3=who?@f line 3;");
  EXPECT_EQ(all(TextReader::Kind::kPassages), "a=T x@f line 1;8=y@f line 1;a=T x@f line 2;");
}

TEST(TextRecords, BadLinesAreNamedAndTheOthersRead) {
  EXPECT_EQ(passages("{\"_id\":\"a\",\"text\":\"x\"}\n{\"_id\":\"b\"}\n{\"_id\":\"c\",\"text\":\"z\"}\n"),
            "a=x; !f line 2: \"text\" is missing; c=z");
  EXPECT_EQ(passages("1\tx\n2\n3\ty\n").substr(0, 37), "1=x; !f line 2: has 1 columns, expect");
  EXPECT_NE(passages("1\tx\n2\n3\ty\n").find("; 3=y"), std::string::npos);
  EXPECT_NE(passages("1\t\xFF\n2\ty\n").find("!f line 1: is no UTF-8 from byte 0 on"), std::string::npos);
  EXPECT_NE(passages("\tx\n").find("f line 1: the id is empty"), std::string::npos);
  EXPECT_NE(passages("id,text\n1,x\n2;y\n").find("f line 3: has 1 columns, expected 2 as in the header"),
            std::string::npos);
  EXPECT_NE(queries("<top>\n<num> 1\n</top>\n").find("f line 3: the topic \"1\" has no title"), std::string::npos);
  EXPECT_NE(queries("<top>\n<title> x\n</top>\n").find("f line 3: the topic \"\" has no number"), std::string::npos);
  EXPECT_NE(queries("<top>\n<num> 1\n<title> x\n").find("f: ends inside of a topic"), std::string::npos);
  EXPECT_NE(queries("<top>\n<num> 1\n<top>\n").find("f line 3: a topic begins inside of a topic"), std::string::npos);
}

TEST(TextRecords, AFolderOfTexts) {
  const TempFolder folder;
  folder.write("b.txt", "first\nsecond\n");
  folder.write("a/my notes.md", "# x\n");
  folder.write("a/picture.png", "x");
  folder.write("c.txt", "\xFF");
  const auto reader = [&](const std::filesystem::path& path) { return TextReader::open(path, Kind::kPassages); };
  auto opened = reader(folder.path());
  ASSERT_TRUE(opened.ok());
  const std::string all = all_of(std::move(opened).value());
  EXPECT_EQ(all.substr(0, all.find('!')), "a/my%20notes.md=# x; b.txt=first\nsecond; ");
  EXPECT_NE(all.find("c.txt: is no UTF-8"), std::string::npos) << all;
  const TempFolder empty;
  EXPECT_FALSE(reader(empty.path()).ok());
  EXPECT_EQ(reader(empty.path() / "none.tsv").error().code, Error::Code::kNotFound);
}

TEST(TextRecords, ALineOf100MegabytesIsReadOrRefusedByName) {
  std::string text = "1\tx\n2\t";
  text.append(std::size_t{100} << 20, 'a');
  text += "\n3\ty\n";
  TextReader small = TextReader::over(io::LineReader::over(text, "f", {.max_line_bytes = 1 << 20}), Kind::kPassages);
  EXPECT_EQ(all_of(std::move(small)),
            "1=x; !f line 2: the line has more than 1048576 bytes (split it, or leave it out); 3=y");
  TextReader large = TextReader::over(io::LineReader::over(text, "f"), Kind::kPassages);
  ASSERT_EQ(large.next().value()->id, "1");
  EXPECT_EQ(large.next().value()->text.size(), std::size_t{100} << 20);
  EXPECT_EQ(large.next().value()->id, "3");
}

}  // namespace
}  // namespace rerank::evaluation
