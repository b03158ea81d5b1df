// The manifest beside the output of `rerank run`: what it says, and what a resumed run refuses because of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

class Manifest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    write_data();
    ASSERT_EQ(rerank_set().exit, 0);
    whole_ = read("out.trec");
    half_ = whole_.substr(0, whole_.find("q2 "));
    ASSERT_LT(half_.size(), whole_.size());
  }
  void write_data() const {
    write("corpus.tsv", "d1\tParis is the capital of France.\nd2\tThe giant panda eats bamboo.\n");
    write("topics.tsv", "q1\tcapital of France\nq2\twhat does a panda eat?\n");
    write("first.trec", "q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\nq2 Q0 d1 1 2 t\nq2 Q0 d2 2 1 t\n");
  }
  Outcome rerank_set(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run",   "--corpus",   "corpus.tsv", "--topics", "topics.tsv",
                                          "--run", "first.trec", "--output",   "out.trec", "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "--dtype") == more.end())
      arguments.insert(arguments.end(), {"--dtype", "f32"});
    return run(arguments);
  }
  json manifest() const { return json::parse(read("out.trec.manifest.json")); }

  std::string whole_, half_;
};

TEST_F(Manifest, SaysWhatTheRankingWasMadeFrom) {
  const json all = manifest();
  EXPECT_EQ(all["manifest"], 1);
  EXPECT_EQ(all["model"], "embedded");
  EXPECT_EQ(all["output"], "out.trec");
  EXPECT_EQ(all["queries"], 2);
  EXPECT_EQ(all["pairs"], 4);
  EXPECT_EQ(all["paths"]["run"], "first.trec");
  const json& decides = all["decides"];
  EXPECT_EQ("rerank " + decides["rerank"].get<std::string>() + "\n", run({"--version"}).out);
  EXPECT_EQ(decides["method"], "cross-encoder");
  EXPECT_EQ(decides["dtype"], "f32");
  EXPECT_EQ(decides["cpu_level"], json::parse(run({"info", "--json"}).out)["cpu_level"]);
  EXPECT_EQ(decides["settings"]["normalize"], false);
  EXPECT_EQ(decides["selection"], (json{{"top_k", "100"}, {"split", "test"}}));
  EXPECT_GT(decides["model"]["files"]["model.safetensors"]["bytes"], 1000);
  // printf 'q1\tcapital of France\nq2\twhat does a panda eat?\n' | sha256sum
  EXPECT_EQ(decides["data"]["queries"]["bytes"], 47);
  EXPECT_EQ(decides["data"]["queries"]["sha256"], "e3d636a94053c472f4bfd513a7b056fd9595d1ed9adf3d7a10a3337934748b3b");
  EXPECT_FALSE(decides["data"].contains("qrels")) << "there are none";
  ASSERT_EQ(all["parts"].size(), 1U);
  EXPECT_EQ(all["parts"][0]["state"], "done");
  EXPECT_EQ(all["parts"][0]["queries_before"], 0);
  EXPECT_EQ(all["parts"][0]["queries_after"], 2);
  EXPECT_EQ(all["parts"][0]["started"].get<std::string>().size(), std::string("2026-11-24T04:45:22Z").size());
  EXPECT_LE(all["parts"][0]["started"], all["parts"][0]["ended"]);
}

TEST_F(Manifest, AResumedRunAddsItsPart) {
  write("out.trec", half_);
  ASSERT_EQ(rerank_set({"--resume", "--threads", "1"}).exit, 0) << "threads change no score";
  EXPECT_EQ(read("out.trec"), whole_);
  const json all = manifest();
  ASSERT_EQ(all["parts"].size(), 2U);
  EXPECT_EQ(all["parts"][0]["queries_after"], 2);
  EXPECT_EQ(all["parts"][1]["threads"], 1);
  EXPECT_EQ(all["parts"][1]["queries_before"], 0) << "the last query of the file is scored again";
  EXPECT_EQ(all["parts"][1]["queries_after"], 2);
  EXPECT_FALSE(all["parts"][1].contains("differs"));
  ASSERT_EQ(rerank_set().exit, 0);
  EXPECT_EQ(manifest()["parts"].size(), 1U) << "a new file has a new manifest";
}

TEST_F(Manifest, ResumeNamesWhatDiffers) {
  struct Row {
    const char* why;
    std::vector<std::string> options;
    std::string file, text;  // written before
    const char* named;
  };
  const Row rows[] = {
      {"a setting", {"--max-length", "64"}, "", "", "settings.max_length was 0, is 64"},
      {"the dtype", {"--dtype", "bf16"}, "", "", "dtype was \"f32\", is \"bf16\""},
      {"the CPU level", {"--cpu-level", "scalar"}, "", "", "is \"scalar\""},
      {"fewer passages", {"--top-k", "1"}, "", "", "selection.top_k was \"100\", is \"1\""},
      {"a passage", {}, "corpus.tsv", "d1\tParis\nd2\tThe giant panda eats bamboo.\n", "data.corpus.bytes"},
      {"a query", {}, "topics.tsv", "q1\tCapital of France\nq2\twhat does a panda eat?\n", "data.queries.sha256"},
  };
  for (const Row& row : rows) {
    write_data();
    if (!row.file.empty()) write(row.file, row.text);
    write("out.trec", half_);
    const json before = manifest();
    std::vector<std::string> options = {"--resume"};
    options.insert(options.end(), row.options.begin(), row.options.end());
    const Outcome refused = rerank_set(options);
    EXPECT_EQ(refused.exit, 1) << row.why;
    EXPECT_NE(refused.err.find("out.trec.manifest.json"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find(row.named), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("--allow-mixed"), std::string::npos) << refused.err;
    EXPECT_EQ(read("out.trec"), half_) << "what is refused stays as it is";
    EXPECT_EQ(manifest(), before);
  }
}

TEST_F(Manifest, AllowMixedGoesOnAndKeepsWhatDiffers) {
  write("out.trec", half_);
  const Outcome outcome = rerank_set({"--resume", "--allow-mixed", "--normalize"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(read("out.trec"), whole_);
  EXPECT_EQ(std::count(whole_.begin(), whole_.end(), '\n'), 4);
  const json all = manifest();
  ASSERT_EQ(all["parts"].size(), 2U);
  EXPECT_EQ(all["parts"][1]["differs"], json{"settings.normalize was false, is true"});
  EXPECT_EQ(all["decides"]["settings"]["normalize"], true);
}

TEST_F(Manifest, OneThatIsMissingOrBrokenIsSaid) {
  std::filesystem::remove(path("out.trec.manifest.json"));
  write("out.trec", half_);
  ASSERT_EQ(rerank_set({"--resume"}).exit, 0);
  EXPECT_EQ(read("out.trec"), whole_);
  EXPECT_EQ(manifest()["parts"][0]["before"], "lines that no manifest speaks of");

  for (const char* broken :
       {"", "{", "[]", "{\"manifest\":2}", "{\"manifest\":1,\"decides\":3}", "{\"manifest\":1,\"decides\":{}}"}) {
    write("out.trec", half_);
    write("out.trec.manifest.json", broken);
    const Outcome refused = rerank_set({"--resume"});
    EXPECT_EQ(refused.exit, 1) << broken;
    EXPECT_NE(refused.err.find("out.trec.manifest.json"), std::string::npos) << refused.err;
    EXPECT_EQ(read("out.trec.manifest.json"), broken);
    const Outcome allowed = rerank_set({"--resume", "--allow-mixed"});
    EXPECT_EQ(allowed.exit, 0) << allowed.err;
    EXPECT_EQ(read("out.trec"), whole_) << broken;
  }
}

TEST_F(Manifest, NoneForWhatIsNoFile) {
  ASSERT_EQ(
      run({"run", "--corpus", "corpus.tsv", "--topics", "topics.tsv", "--run", "first.trec", "--output", "-"}).exit, 0);
  EXPECT_FALSE(std::filesystem::exists(path("-.manifest.json")));
}

}  // namespace
}  // namespace rerank::testing
