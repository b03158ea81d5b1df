// LLM rerankers from the command line: several layers, remarks, choices of methods, adapters.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

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
