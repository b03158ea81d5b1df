// LLM rerankers from the command line: several layers, remarks, choices of methods, adapters.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/program.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

class Llm : public ProgramTest {
 protected:
  std::string model(const TinyCausal& checkpoint) {
    checkpoint.write(folder_);
    return folder_.path.string();
  }
  // The JSON lines of `rerank score` over three pairs of one query.
  std::vector<json> score(std::vector<std::string> arguments, std::vector<std::string> environment = {}) const {
    arguments.insert(arguments.begin(), {"score", "--input", "-", "--dtype", "f32"});
    const Outcome outcome =
        start({.arguments = std::move(arguments), .input = kPairs, .environment = std::move(environment)});
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    std::vector<json> lines;
    std::istringstream stream(outcome.out);
    for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
    EXPECT_EQ(lines.size(), 3u);
    return lines;
  }

  static constexpr const char* kPairs =
      "{\"query\":\"what\",\"passage\":\"a passage of words\"}\n"
      "{\"query\":\"what\",\"passage\":\"\"}\n"
      "{\"query\":\"what\",\"passage\":\"another one\"}\n";

 private:
  TinyModel::Folder folder_;
};

TEST_F(Llm, SeveralLayersInTheOrderAsked) {
  const std::string folder = model(TinyCausal::minicpm());
  const auto both = score({"--model", folder, "--cutoff-layers", "4,2"});
  const auto two = score({"--model", folder, "--cutoff-layers", "2"});
  const auto last = score({"--model", folder});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(both[i].at("index"), i);
    EXPECT_FALSE(both[i].contains("score"));
    EXPECT_EQ(both[i].at("scores"), json({last[i].at("score"), two[i].at("score")}));
  }
}

TEST_F(Llm, RemarksSayWhatIsNotTakenAsWritten) {
  const std::string folder = model(TinyCausal::gemma2());
  const Outcome outcome = run({"score", "--model", folder, "--input", "-", "--cutoff-layers", "1,3", "--compress-ratio",
                               "2", "--compress-layers", "1,3"},
                              kPairs);
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_NE(outcome.err.find("layer 1 is left out"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("layer 3"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out.find("scores"), std::string::npos) << "one layer is left: a single score";
}

TEST_F(Llm, OptionsThatNoPairFits) {
  const std::string folder = model(TinyCausal::gemma2());
  struct Row {
    std::vector<std::string> arguments;
    const char* part_of_message;
  };
  for (const Row& row : {Row{{"--cutoff-layers", "9"}, "2 to 4"}, Row{{"--compress-ratio", "3"}, "2, 4 or 8"},
                         Row{{"--compress-layers", "x"}, "--compress-layers"}, Row{{"--heads", "none"}, "--heads"},
                         Row{{"--max-length", "100000"}, "positions"}}) {
    std::vector<std::string> arguments = {"score", "--model", folder, "--input", "-"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const Outcome outcome = run(arguments, kPairs);
    EXPECT_EQ(outcome.exit, 1) << outcome.err;
    EXPECT_NE(outcome.err.find(row.part_of_message), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(Llm, AnOpenChoiceOfMethodsListsThem) {
  TinyCausal checkpoint = TinyCausal::llama();
  checkpoint.config.erase("_name_or_path");
  const std::string folder = model(checkpoint);
  const Outcome open = run({"info", "--model", folder});
  EXPECT_EQ(open.exit, 2);
  EXPECT_NE(open.err.find("--method"), std::string::npos) << open.err;
  EXPECT_NE(open.err.find("yes-logit"), std::string::npos) << open.err;
  const Outcome chosen = run({"info", "--model", folder, "--method", "yes-logit"});
  EXPECT_EQ(chosen.exit, 0) << chosen.err;
  EXPECT_NE(chosen.out.find("yes-logit"), std::string::npos) << chosen.out;
}

TEST_F(Llm, InfoShowsLayersAndWhyTheMethod) {
  const std::string folder = model(TinyCausal::minicpm());
  const Outcome outcome = run({"info", "--model", folder, "--cutoff-layers", "3"});
  EXPECT_EQ(outcome.exit, 0) << outcome.err;
  for (const char* part : {"layerwise (", "LayerWiseMiniCPMForCausalLM", "4, of which 3 are loaded", "2,3"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
}

TEST_F(Llm, ExpectationsAreFromOneToSevenOrNormalized) {
  const std::string folder = model(TinyCausal::qwen2(true));
  const auto plain = score({"--model", folder}), normalized = score({"--model", folder, "--normalize"});
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_DOUBLE_EQ(normalized[i].at("score").get<double>(), (plain[i].at("score").get<double>() - 1) / 6);
}

TEST_F(Llm, BenchCountsWhatIsSaved) {
  const std::string folder = model(TinyCausal::gemma2());
  write("workload.jsonl", R"({"query": "some query", "passages": ["one passage", "two passages", "three passages"]})");
  const Outcome outcome = run({"bench", "--model", folder, "--workload", "workload.jsonl", "--repeat", "1",
                               "--cutoff-layers", "3", "--compress-ratio", "2", "--compress-layers", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const json figures = json::parse(outcome.out);
  EXPECT_LT(figures.at("tokens_computed"), figures.at("tokens"));
  EXPECT_GT(figures.at("flops_saved"), 0.3);
  EXPECT_LT(figures.at("flops_saved"), 1.0);
}

// A LoRA adapter gives the scores of a checkpoint into which it was merged by hand.
class Progressive : public Llm {
 protected:
  void SetUp() override {
    Llm::SetUp();
    std::string text, corpus, first;
    for (int i = 0; i < 40; ++i) {
      const std::string passage = fmt::format("passage {} of {} words", i * 37 % 101, i % 7);
      text += passage + "\n";
      corpus += json{{"_id", fmt::format("d{}", i)}, {"text", passage}}.dump() + "\n";
      for (const char* query : {"q1", "q2"}) first += fmt::format("{} Q0 d{} {} {} bm25\n", query, i, i + 1, 40 - i);
    }
    write("p.txt", text);
    write("set/corpus.jsonl", corpus);
    write("set/queries.jsonl", "{\"_id\":\"q1\",\"text\":\"what\"}\n{\"_id\":\"q2\",\"text\":\"words\"}\n");
    write("first.trec", first);
  }
  // The JSON lines of `rerank rank`.
  Outcome rank(const std::string& folder, std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"rank", "--model",    folder,  "--query",
                                          "what", "--passages", "p.txt", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
  }
};

TEST_F(Progressive, FindsAllWhereAllAreWanted) {
  const std::string folder = model(TinyCausal::minicpm());
  const Outcome whole = rank(folder, {"--top-n", "40"}), found = rank(folder, {"--top-n", "40", "--progressive"});
  ASSERT_EQ(found.exit, 0) << found.err;
  EXPECT_EQ(found.out, whole.out);
  EXPECT_NE(found.err.find("40 of 40 passages went beyond layer 2 of 4"), std::string::npos) << found.err;
}

TEST_F(Progressive, GivesTheScoresOfAllLayersAndSaysWhatItSaved) {
  const std::string folder = model(TinyCausal::minicpm());
  const std::vector<std::string> whole = lines(rank(folder, {}).out);
  std::map<int, double> scores;
  for (const std::string& line : whole) scores.emplace(json::parse(line).at("index"), json::parse(line).at("score"));
  const Outcome outcome = rank(folder, {"--top-n", "3", "--progressive", "--early-layer", "3"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("of 40 passages went beyond layer 3 of 4"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("work"), std::string::npos) << outcome.err;
  const std::vector<std::string> found = lines(outcome.out);
  EXPECT_EQ(found.size(), 3u);
  for (const std::string& line : found) {
    const json row = json::parse(line);
    EXPECT_EQ(row.at("score"), scores.at(row.at("index"))) << line;
  }
}

TEST_F(Progressive, RanksTheQueriesOfARun) {
  const std::string folder = model(TinyCausal::minicpm());
  const auto rerank_set = [&](const std::string& output, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"run",   "--model",    folder,     "--dataset", "set",
                                          "--run", "first.trec", "--output", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, 0) << outcome.err;
    return outcome;
  };
  rerank_set("whole.trec", {});
  rerank_set("all.trec", {"--progressive", "40"});
  EXPECT_EQ(read("all.trec"), read("whole.trec"));
  const Outcome outcome = rerank_set("best.trec", {"--progressive", "5"});
  EXPECT_NE(outcome.err.find("of 80 passages went beyond layer 2 of 4"), std::string::npos) << outcome.err;
  EXPECT_EQ(lines(read("best.trec")).size(), 10u);
  EXPECT_NE(read("best.trec.manifest.json").find("progressive"), std::string::npos);
}

TEST_F(Progressive, SaysWhatItNeeds) {
  const std::string layers = model(TinyCausal::minicpm());
  const auto expect_error = [&](const std::string& folder, std::vector<std::string> more, const char* part) {
    const Outcome outcome = rank(folder, std::move(more));
    EXPECT_EQ(outcome.exit, 1);
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  };
  expect_error(layers, {"--progressive"}, "--top-n");
  expect_error(layers, {"--early-layer", "2"}, "--progressive");
  expect_error(layers, {"--top-n", "3", "--progressive", "--early-layer", "4"}, "early");
  expect_error(model(TinyCausal::qwen2(true)), {"--top-n", "3", "--progressive"}, "layer");
}

TEST_F(Llm, ACacheOfScoresChangesNoneAndIsCounted) {
  const std::string folder = model(TinyCausal::gemma());
  EXPECT_EQ(score({"--model", folder, "--score-cache", "1M"}), score({"--model", folder}));
  write("w.jsonl",
        "{\"query\":\"a\",\"passages\":[\"x\",\"y\",\"x\"]}\n{\"query\":\"a\",\"passages\":[\"y\",\"z\"]}\n");
  const Outcome outcome =
      run({"bench", "--model", folder, "--workload", "w.jsonl", "--score-cache", "1M", "--repeat", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const json figures = json::parse(outcome.out);
  EXPECT_EQ(figures.at("pairs"), 5);
  EXPECT_EQ(figures.at("repeated_pairs"), 1);
  // A round that does not count has filled the cache.
  EXPECT_EQ(figures.at("cache_hits"), 4);
  EXPECT_EQ(figures.at("cache_misses"), 0);
}

TEST_F(Llm, AnAdapterIsMerged) {
  TinyCausal checkpoint = TinyCausal::gemma();
  const std::string weight = "model.layers.1.self_attn.q_proj.weight";
  const std::size_t out = checkpoint.tensors.at(weight).shape[0], in = checkpoint.tensors.at(weight).shape[1];
  TinyModel adapter;
  adapter.add("base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight", {2, in}, 0.5f);
  adapter.add("base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight", {out, 2}, 0.5f);
  std::filesystem::create_directory(path("adapter"));
  write("adapter/adapter_config.json", R"({"peft_type": "LORA", "r": 2, "lora_alpha": 3, "bias": "none"})");
  std::ofstream(path("adapter/adapter_model.safetensors"), std::ios::binary) << adapter.safetensors();
  const std::string folder = model(checkpoint);
  const auto plain = score({"--model", folder});
  const auto adapted = score({"--model", folder, "--adapter", path("adapter").string()});

  const auto& a = adapter.tensors.begin()->second.values;
  const auto& b = std::next(adapter.tensors.begin())->second.values;
  std::vector<float>& values = checkpoint.tensors.at(weight).values;
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      for (std::size_t k = 0; k < 2; ++k) values[o * in + i] += 1.5f * b[o * 2 + k] * a[k * in + i];
  TinyModel::Folder merged_folder;
  checkpoint.write(merged_folder);
  const auto merged = score({"--model", merged_folder.path.string()});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(adapted[i].at("score").get<double>(), merged[i].at("score").get<double>(), 1e-4);
    EXPECT_GT(std::abs(adapted[i].at("score").get<double>() - plain[i].at("score").get<double>()), 1e-3);
  }

  // The same by its hub name, out of the local cache.
  const std::string commit(40, 'c');
  write("hub/models--o--n/refs/main", commit);
  std::filesystem::create_directory(path("hub/models--o--n/snapshots"));
  std::filesystem::rename(path("adapter"), path("hub/models--o--n/snapshots/" + commit));
  EXPECT_EQ(score({"--model", folder, "--adapter", "o/n", "--offline"}, {"HF_HUB_CACHE=" + path("hub").string()}),
            adapted);
}

}  // namespace
}  // namespace rerank::testing
