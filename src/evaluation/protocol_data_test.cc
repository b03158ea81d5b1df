#include "evaluation/protocol_data.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "io/test_files.h"

namespace rerank::evaluation {
namespace {

using rerank::testing::TempFolder;

const Protocol& protocol(const char* name) {
  return *find_protocol(name).value();
}
std::vector<std::string> ids_of(const ProtocolData& data) {
  std::vector<std::string> ids;
  for (const ProtocolQuery& query : data.queries) ids.push_back(query.id);
  return ids;
}

TEST(Stripped, TakesWhatPythonTakes) {
  EXPECT_EQ(stripped("  a b\t\n"), "a b");
  EXPECT_EQ(stripped("\x1C\v\f\r a"), "a");
  EXPECT_EQ(stripped("\xC2\xA0\xE3\x80\x80 a\xE2\x80\xA8"), "a") << "no-break, ideographic, line separator";
  EXPECT_EQ(stripped("\xE2\x80\x8B"
                     "a"),
            "\xE2\x80\x8B"
            "a")
      << "a space of no width is none";
  EXPECT_EQ(stripped(" \t "), "");
  EXPECT_EQ(stripped(""), "");
}

TEST(Protocols, AreFoundByName) {
  for (const Protocol& known : protocols()) EXPECT_EQ(find_protocol(known.name).value(), &known);
  const auto unknown = find_protocol("beir");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().fix,
            "there are lb-beir, flagembedding-beir, flagembedding-miracl, rank1-beir, bright, nevir, mfollowir, "
            "mfollowir-crosslingual");
}

// A number that was mistyped shows here. Two means of FlagEmbedding's model card are 0.5 below those of its own rows.
TEST(Protocols, PublishedMeansAreThoseOfTheirRows) {
  int checked = 0;
  for (const Protocol& known : protocols()) {
    std::set<std::string_view> datasets;
    for (const std::string_view dataset : known.datasets) datasets.insert(dataset.substr(0, dataset.find('/')));
    for (const PublishedTable& table : known.published) {
      ASSERT_LE(table.models.size(), table.rows.front().values.size());
      for (std::size_t model = 0; model < table.models.size(); ++model) {
        double sum = 0;
        std::size_t count = 0;
        for (const std::string_view dataset : datasets)
          if (const auto value = table.value(dataset, model)) sum += *value, ++count;
        const auto mean = table.value("mean", model);
        if (!mean || count != datasets.size()) continue;  // not all of them are published
        EXPECT_NEAR(sum / static_cast<double>(count), *mean, 0.5) << known.name << ' ' << table.models[model];
        ++checked;
      }
      for (const PublishedTable::Row& row : table.rows)
        EXPECT_TRUE(row.dataset == "mean" || datasets.contains(row.dataset)) << known.name << ' ' << row.dataset;
    }
  }
  EXPECT_EQ(checked, 5 + 4 + 6 + 1) << "BEIR twice, MIRACL, BRIGHT for rank1-7b";
  EXPECT_EQ(protocol("bright").published[0].value("biology", 0), std::nullopt);
  EXPECT_EQ(protocol("lb-beir").published[0].value("scifact", 1), .75549);
}

TEST(Rounded, IsPythons) {
  EXPECT_EQ(rounded(0.123455, 5), 0.12345);  // >>> round(0.123455, 5), a double that lies below
  EXPECT_EQ(rounded(2.5, 0), 2);
  EXPECT_EQ(rounded(-0.000004, 5), 0);
  EXPECT_EQ(rounded(0.69999999, 5), 0.7);
}

TEST(ProtocolData, LbTakesTheFirst250QueriesInStringOrder) {
  const TempFolder folder;
  std::string queries, qrels = "query-id\tcorpus-id\tscore\n", run;
  for (int q = 0; q < 300; ++q) {
    queries += fmt::format("{{\"_id\":\"{}\",\"text\":\"query {}\"}}\n", q, q);
    qrels += fmt::format("{}\td\t1\n", q);
    run += fmt::format("{} Q0 d 1 1 t\n", q);
  }
  folder.write("scifact/corpus.jsonl", "{\"_id\":\"d\",\"title\":\"\",\"text\":\"x\"}\n");
  folder.write("scifact/queries.jsonl", queries);
  folder.write("scifact/qrels/test.tsv", qrels);
  folder.write("scifact/first_stage.trec", run);
  const auto data = read_protocol_data({.protocol = &protocol("lb-beir"), .folder = folder.path()}, "scifact");
  ASSERT_TRUE(data.ok()) << data.error().message();
  const std::vector<std::string> ids = ids_of(data.value());
  // >>> sorted(str(n) for n in range(300))[:250][:4], [-1]
  ASSERT_EQ(ids.size(), 250U);
  EXPECT_EQ(std::vector<std::string>(ids.begin(), ids.begin() + 4), (std::vector<std::string>{"0", "1", "10", "100"}));
  EXPECT_EQ(ids.back(), "53");
  EXPECT_EQ(data.value().qrels.queries.size(), 250U);
  EXPECT_EQ(data.value().pairs, 250U);
}

// Two queries and five passages; the query "d2" is a passage too.
void write_beir(const TempFolder& folder, const std::string& name, const std::string& run) {
  folder.write(
      name + "/corpus.jsonl",
      "{\"_id\":\"d1\",\"title\":\"Title\",\"text\":\"text \"}\n{\"_id\":\"d2\",\"title\":\"\",\"text\":\"two\"}\n"
      "{\"_id\":\"d3\",\"text\":\" three \"}\n{\"_id\":\"d4\",\"title\":\"Four\",\"text\":\"\"}\n"
      "{\"_id\":\"d5\",\"text\":\"five\"}\n");
  folder.write(name + "/queries.jsonl", "{\"_id\":\"q1\",\"text\":\"one\"}\n{\"_id\":\"d2\",\"text\":\"two?\"}\n");
  folder.write(name + "/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nd2\td4\t1\n");
  folder.write(name + "/first_stage.trec", run);
}
constexpr const char* kRun =
    "q1 Q0 d3 3 1 t\nq1 Q0 d2 1 9 t\nq1 Q0 d1 2 9 t\nd2 Q0 d2 1 9 t\nd2 Q0 d4 2 8 t\nd2 Q0 d3 3 7 t\n";

TEST(ProtocolData, JoinsTextsDropsTheQueryItselfAndKeepsTiesInTheFilesOrder) {
  const TempFolder folder;
  write_beir(folder, "scifact", kRun);
  const auto lb = read_protocol_data({.protocol = &protocol("lb-beir"), .folder = folder.path()}, "scifact");
  ASSERT_TRUE(lb.ok()) << lb.error().message();
  EXPECT_EQ(lb.value().passages, (Passages{{"d1", "Title text"}, {"d2", "two"}, {"d3", "three"}, {"d4", "Four"}}));
  ASSERT_EQ(ids_of(lb.value()), (std::vector<std::string>{"d2", "q1"}));
  EXPECT_EQ(lb.value().queries[0].passage_ids, (std::vector<std::string>{"d4", "d3"}));
  EXPECT_EQ(lb.value().queries[1].passage_ids, (std::vector<std::string>{"d2", "d1", "d3"}));
  EXPECT_EQ(lb.value().dropped_identical, 1U);

  const auto flag =
      read_protocol_data({.protocol = &protocol("flagembedding-beir"), .folder = folder.path()}, "scifact");
  ASSERT_TRUE(flag.ok()) << flag.error().message();
  EXPECT_EQ(flag.value().passages.at("d3"), " three ") << "no title: as it is";
  EXPECT_EQ(flag.value().passages.at("d1"), "Title text");
  EXPECT_EQ(flag.value().dropped_identical, 1U);
  EXPECT_EQ(ids_of(flag.value()), (std::vector<std::string>{"q1", "d2"})) << "in the order of the judgements";

  const auto miracl = read_protocol_data(
      {.protocol = &protocol("flagembedding-miracl"), .folder = folder.path() / "scifact", .split = "test"}, "scifact");
  ASSERT_TRUE(miracl.ok()) << miracl.error().message();
  EXPECT_EQ(miracl.value().dropped_identical, 0U) << "MIRACL's ids of queries and passages have nothing in common";
  EXPECT_EQ(miracl.value().queries[1].passage_ids, (std::vector<std::string>{"d2", "d4", "d3"}));
}

TEST(ProtocolData, TheTopIsTakenBehindWhatIsDropped) {
  const TempFolder folder;
  std::string corpus, run;
  for (int p = 0; p <= 150; ++p) {
    corpus += fmt::format("{{\"_id\":\"{}\",\"text\":\"x\"}}\n", p);
    run += fmt::format("0 Q0 {} 1 {} t\n", p, 1000 - p);
  }
  folder.write("fiqa/corpus.jsonl", corpus);
  folder.write("fiqa/queries.jsonl", "{\"_id\":\"0\",\"text\":\"q\"}\n");
  folder.write("fiqa/qrels/test.tsv", "query-id\tcorpus-id\tscore\n0\t5\t1\n");
  folder.write("fiqa/first_stage.trec", run);
  const auto data = read_protocol_data({.protocol = &protocol("lb-beir"), .folder = folder.path()}, "fiqa");
  ASSERT_TRUE(data.ok()) << data.error().message();
  ASSERT_EQ(data.value().queries[0].passage_ids.size(), 100U);
  EXPECT_EQ(data.value().queries[0].passage_ids.front(), "1");
  EXPECT_EQ(data.value().queries[0].passage_ids.back(), "100");
}

TEST(ProtocolData, Rank1WrapsQueriesInPrompts) {
  const TempFolder folder;
  write_beir(folder, "SciFact", kRun);
  std::filesystem::rename(folder.path() / "SciFact/first_stage.trec", folder.path() / "run");
  folder.write("SciFact_default_predictions.json", R"({"q1": {"d1": 2.0, "d3": 1.0}})");
  const Texts prompts = {{"SciFact", "<FILL_QUERY_HERE> FILL_QUERY_HERE!"}, {"FiQA2018", "FILL_QUERY_HERE"}};
  const auto data = read_protocol_data(
      {.protocol = &protocol("rank1-beir"), .folder = folder.path(), .prompts = &prompts}, "SciFact");
  ASSERT_TRUE(data.ok()) << data.error().message();
  ASSERT_EQ(ids_of(data.value()), std::vector<std::string>{"q1"}) << "the other has nothing to rerank";
  EXPECT_EQ(data.value().queries[0].text, "<one> one!");
  EXPECT_EQ(data.value().qrels.queries.size(), 2U);
  const Texts others = {{"FiQA2018", "FILL_QUERY_HERE"}};
  const auto none =
      read_protocol_data({.protocol = &protocol("rank1-beir"), .folder = folder.path(), .prompts = &others}, "SciFact");
  EXPECT_NE(none.error().message().find("there is no prompt for SciFact"), std::string::npos);
  const auto plain = read_protocol_data(
      {.protocol = &protocol("rank1-beir"), .folder = folder.path(), .first_stage = "run"}, "SciFact");
  ASSERT_TRUE(plain.ok()) << plain.error().message();
  EXPECT_EQ(plain.value().queries[0].text, "one");
  EXPECT_EQ(plain.value().queries.size(), 2U);
}

TEST(ProtocolData, BrightDropsWhatItsExamplesExclude) {
  const TempFolder folder;
  folder.write(
      "documents/biology.jsonl",
      "{\"id\":\"a\",\"content\":\"A\"}\n{\"id\":\"b\",\"content\":\"B\"}\n{\"id\":\"c\",\"content\":\"C\"}\n");
  folder.write("examples/biology.jsonl",
               "{\"id\":\"1\",\"query\":\"why?\",\"reasoning\":\"r\",\"gold_ids\":[\"c\"],\"excluded_ids\":[\"a\"]}\n");
  folder.write("biology_bm25_long_False/score.json", R"({"1": {"a": 3.0, "b": 2.0, "c": 1.0}})");
  const Texts prompts = {{"BrightRetrieval", "bg FILL_QUERY_HERE"}, {"BrightRetrieval_pony", "pony FILL_QUERY_HERE"}};
  const auto data =
      read_protocol_data({.protocol = &protocol("bright"), .folder = folder.path(), .prompts = &prompts}, "biology");
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data.value().queries[0].text, "bg why?");
  EXPECT_EQ(data.value().queries[0].passage_ids, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(data.value().dropped_excluded, 1U);
  EXPECT_EQ(data.value().passages.at("b"), "B");
  EXPECT_EQ(find_datasets({.protocol = &protocol("bright"), .folder = folder.path()}).value(),
            std::vector<std::string>{"biology"});
}

TEST(ProtocolData, NevirRanksWhatIsListedOrAll) {
  const TempFolder folder;
  folder.write("corpus.jsonl",
               "{\"_id\":\"a\",\"text\":\"A\"}\n{\"_id\":\"b\",\"text\":\"B\"}\n{\"_id\":\"c\",\"text\":\"C\"}\n");
  folder.write("queries.jsonl", "{\"_id\":\"1_q1\",\"text\":\"x\"}\n{\"_id\":\"1_q2\",\"text\":\"y\"}\n");
  folder.write("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1_q1\ta\t1\n1_q2\tb\t1\n");
  const ProtocolChoice choice{.protocol = &protocol("nevir"), .folder = folder.path()};
  EXPECT_EQ(find_datasets(choice).value(), std::vector<std::string>{"NevIR"});
  EXPECT_EQ(read_protocol_data(choice, "NevIR").value().pairs, 6U) << "all passages for both";
  folder.write(
      "top_ranked.jsonl",
      "{\"query-id\":\"1_q1\",\"corpus-ids\":[\"a\",\"b\"]}\n{\"query-id\":\"1_q2\",\"corpus-ids\":[\"b\",\"a\"]}\n");
  const auto listed = read_protocol_data(choice, "NevIR");
  ASSERT_TRUE(listed.ok()) << listed.error().message();
  EXPECT_EQ(listed.value().queries[1].passage_ids, (std::vector<std::string>{"b", "a"}));
}

TEST(ProtocolData, MFollowIrJoinsInstructionsAndKnowsWhatChanges) {
  const TempFolder folder;
  folder.write("rus/corpus.jsonl", "{\"_id\":\"a\",\"title\":\"T\",\"text\":\"A\"}\n{\"_id\":\"b\",\"text\":\"B\"}\n");
  folder.write("rus/queries.jsonl",
               "{\"_id\":\"1-og\",\"text\":\"cats\",\"instruction\":\"all\"}\n"
               "{\"_id\":\"1-changed\",\"text\":\"cats\",\"instruction\":\"only big ones\"}\n");
  folder.write("rus/qrels/test.tsv",
               "query-id\tcorpus-id\tscore\n1-og\ta\t1\n1-og\tb\t1\n1-changed\ta\t0\n1-changed\tb\t1\n");
  folder.write("mFollowIR_rus_predictions.json",
               R"({"1-og": {"a": 1.0, "b": 2.0}, "1-changed": {"a": 1.0, "b": 2.0}})");
  const ProtocolChoice choice{.protocol = &protocol("mfollowir"), .folder = folder.path()};
  auto data = read_protocol_data(choice, "rus");
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data.value().queries[1].text, "cats only big ones");
  EXPECT_EQ(data.value().changed, (ChangedPassages{{"1", {"a"}}})) << "from the judgements";
  folder.write("rus/qrel_diff.jsonl", "{\"query-id\":\"1\",\"corpus-ids\":[\"b\"]}\n");
  folder.write("rus/instruction.jsonl", "{\"query-id\":\"1-og\",\"instruction\":\"here\"}\n");
  data = read_protocol_data(choice, "rus");
  ASSERT_TRUE(data.ok()) << data.error().message();
  EXPECT_EQ(data.value().changed, (ChangedPassages{{"1", {"b"}}}));
  EXPECT_EQ(data.value().queries[0].text, "cats here");
}

TEST(ProtocolData, SaysWhatIsNotThere) {
  const TempFolder folder;
  const ProtocolChoice choice{.protocol = &protocol("lb-beir"), .folder = folder.path()};
  EXPECT_NE(find_datasets(choice).error().message().find("holds no data set of lb-beir"), std::string::npos);
  write_beir(folder, "scifact", kRun);
  std::filesystem::remove(folder.path() / "scifact/first_stage.trec");
  const Error no_run = read_protocol_data(choice, "scifact").error();
  EXPECT_EQ(no_run.code, Error::Code::kNotFound);
  EXPECT_NE(no_run.what.find("there is no scifact/first_stage.trec, no scifact/bm25.trec"), std::string::npos)
      << no_run.what;
  EXPECT_NE(read_protocol_data(choice, "fiqa").error().what.find("has no passages for fiqa"), std::string::npos);
  for (const auto& [run, message] :
       {std::pair{"q1 Q0 d9 1 1 t\n", "ranks passage \"d9\" for query \"q1\", which corpus.jsonl lacks"},
        {"q7 Q0 d1 1 1 t\n", "ranks none of the 2 queries of scifact"}}) {
    folder.write("scifact/first_stage.trec", run);
    const Error error = read_protocol_data(choice, "scifact").error();
    EXPECT_EQ(error.code, Error::Code::kBadInput);
    EXPECT_NE(error.what.find(message), std::string::npos) << error.what;
  }
  folder.write("scifact/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq9\td1\t1\n");
  EXPECT_NE(read_protocol_data(choice, "scifact").error().what.find("judges query \"q9\""), std::string::npos);
}

}  // namespace
}  // namespace rerank::evaluation
