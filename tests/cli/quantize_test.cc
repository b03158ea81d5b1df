// rerank quantize from the command line: the report, the folder, and what is refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/program.h"
#include "support/tiny_causal.h"

namespace rerank::testing {
namespace {

using nlohmann::json;

class QuantizeCommand : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    TinyCausal::wide_gemma().write(folder_);
  }
  const std::string& model() const { return folder_.path.native(); }

 private:
  TinyModel::Folder folder_;
};

TEST_F(QuantizeCommand, WritesAFolderAndReportsEveryLayer) {
  const Outcome outcome = run({"quantize", model(), "out", "--dtype", "int4"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_NE(outcome.out.find("model.layers.2.mlp.down_proj"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("[128, 128]"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("the worst"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("stays as it is: its inputs are heads that are padded"), std::string::npos);
  EXPECT_NE(outcome.out.find("out: int4, 18 of 21 layers"), std::string::npos) << outcome.out;
  const Outcome scored = run({"score", "--model", "out", "--input", "-"}, "{\"query\":\"a\",\"passage\":\"b\"}\n");
  EXPECT_EQ(scored.exit, 0) << scored.err;
  EXPECT_NE(scored.out.find("\"score\":"), std::string::npos);
}

TEST_F(QuantizeCommand, InfoSaysHowWeightsAreStored) {
  EXPECT_EQ(run({"info", "--model", model()}).out.find("integers"), std::string::npos);
  EXPECT_EQ(json::parse(run({"info", "--model", model(), "--json"}).out).at("quantization"), "");
  for (const auto& [dtype, method, bits] : {std::tuple("int4", "awq", "4 bits"), {"int8", "rerank-int8", "8 bits"}}) {
    ASSERT_EQ(run({"quantize", model(), dtype, "--dtype", dtype}).exit, 0);
    const std::string text = run({"info", "--model", dtype}).out;
    EXPECT_NE(text.find(std::string("linear layers as integers of ") + bits + " (" + method + ")"), std::string::npos)
        << text;
    EXPECT_EQ(json::parse(run({"info", "--model", dtype, "--json"}).out).at("quantization"), method);
  }
}

TEST_F(QuantizeCommand, WritesTheVocabularyWhereItIsAsked) {
  const Outcome outcome = run({"quantize", model(), "out", "--dtype", "int4", "--vocabulary", "int8"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("the vocabulary, int8"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("lm_head"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("out: int4, 18 of 21 layers"), std::string::npos) << outcome.out;
  const std::string text = run({"info", "--model", "out"}).out;
  EXPECT_NE(text.find("4 bits (awq), the vocabulary's product of 8 (rerank-int8)"), std::string::npos) << text;
  EXPECT_EQ(json::parse(run({"info", "--model", "out", "--json"}).out).at("vocabulary_quantization"), "rerank-int8");
  const json report =
      json::parse(run({"quantize", model(), "again", "--dtype", "int8", "--vocabulary", "int8", "--json"}).out);
  EXPECT_EQ(report.at("vocabulary").at("name"), "lm_head");
  EXPECT_EQ(report.at("vocabulary").at("shape"), json({104, 128}));
  EXPECT_LT(report.at("vocabulary").at("error"), 0.0075);
}

TEST_F(QuantizeCommand, ReportsToProgramsInJson) {
  const Outcome outcome = run({"quantize", model(), "out", "--dtype", "int8", "--json", "--threads", "1"});
  ASSERT_EQ(outcome.exit, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report.at("dtype"), "int8");
  EXPECT_EQ(report.at("architecture"), "GemmaForCausalLM");
  EXPECT_LT(report.at("bytes_after"), report.at("bytes_before"));
  EXPECT_EQ(report.at("layers").size(), 21u);
  EXPECT_TRUE(report.at("vocabulary").is_null());
  double sum = 0, largest = 0;
  std::string worst;
  for (const json& layer : report.at("layers")) {
    EXPECT_EQ(layer.contains("error"), !layer.contains("kept"));
    if (!layer.contains("error")) continue;
    sum += layer.at("error").get<double>();
    if (layer.at("error") > largest) {
      largest = layer.at("error");
      worst = layer.at("name");
    }
  }
  EXPECT_NEAR(report.at("mean_error"), sum / 18, 1e-12);
  EXPECT_EQ(report.at("worst"), worst);
}

TEST_F(QuantizeCommand, RefusesWithTheRightExitCode) {
  struct Case {
    std::vector<std::string> arguments;
    int exit;
    const char* expected;
  };
  write("full/file", "x");
  const Case cases[] = {
      {{"quantize", model()}, 1, "OUT"},
      {{"quantize", model(), "out"}, 1, "--dtype is required"},
      {{"quantize", model(), "out", "--dtype", "int3"}, 1, "int3"},
      {{"quantize", model(), "out", "--dtype", "int4", "--vocabulary", "int4"}, 1, "--vocabulary"},
      {{"quantize", model(), "full", "--dtype", "int4"}, 1, "not empty"},
      {{"quantize", model(), "no/such/out", "--dtype", "int4"}, 1, "no/such"},
      {{"quantize", "none", "out", "--dtype", "int4"}, 2, "none"},
      {{"quantize", "full", "out", "--dtype", "int4"}, 2, "config.json"},
      {{"quantize", model(), "/proc/out", "--dtype", "int4"}, 1, "/proc"},
  };
  for (const auto& [arguments, exit, expected] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit, exit) << expected << '\n' << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("out")));
  }
  ASSERT_EQ(run({"quantize", model(), "out", "--dtype", "int4"}).exit, 0);
  const Outcome again = run({"quantize", "out", "again", "--dtype", "int4"});
  EXPECT_EQ(again.exit, 2) << again.err;
  EXPECT_NE(again.err.find("quantized already"), std::string::npos) << again.err;
  EXPECT_FALSE(std::filesystem::exists(path("again")));
}

}  // namespace
}  // namespace rerank::testing
