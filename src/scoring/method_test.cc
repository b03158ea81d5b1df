#include "scoring/method.h"

#include <gtest/gtest.h>

namespace rerank::scoring {
namespace {

Result<DetectedMethod> detect(const std::string& config, const char* path = "models/mine", const char* asked = "") {
  const auto document = io::JsonDocument::parse(config, "config.json");
  EXPECT_TRUE(document.ok());
  return detect_method(document.value().root(), path, asked);
}

std::string config_of(const std::string& architecture, const std::string& name = "") {
  return R"({"architectures": [")" + architecture + R"("], "_name_or_path": ")" + name + "\"}";
}

struct FoundCase {
  const char* architecture;
  const char* name;
  const char* path;
  const char* asked;
  Method method;
  const char* reason;
};
class Found : public ::testing::TestWithParam<FoundCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Found,
    ::testing::Values(
        FoundCase{"BertForSequenceClassification", "", "x", "", Method::kCrossEncoder,
                  "config.json names BertForSequenceClassification"},
        FoundCase{"XLMRobertaForSequenceClassification", "", "x", "cross-encoder", Method::kCrossEncoder,
                  "--method asks for it"},
        FoundCase{"LayerWiseMiniCPMForCausalLM", "", "x", "", Method::kLayerwise,
                  "config.json names LayerWiseMiniCPMForCausalLM"},
        FoundCase{"CostWiseGemmaForCausalLM", "", "x", "", Method::kLightweight,
                  "config.json names CostWiseGemmaForCausalLM"},
        FoundCase{"GemmaForCausalLM", "google/gemma-2b", "x", "", Method::kYesLogit,
                  "config.json names GemmaForCausalLM"},
        FoundCase{"Gemma2ForCausalLM", "", "x", "yes-logit", Method::kYesLogit, "--method asks for it"},
        FoundCase{"Qwen2ForCausalLM", "lightblue/lb-reranker-0.5B-v1.0", "x", "", Method::kExpectation,
                  "_name_or_path is lightblue/lb-reranker-0.5B-v1.0"},
        FoundCase{"Qwen2ForCausalLM", "lightblue/LB-Reranker-0.5B", "jhu/rank1-7b", "", Method::kExpectation,
                  "_name_or_path is lightblue/LB-Reranker-0.5B"},
        FoundCase{"Qwen2ForCausalLM", "Qwen/Qwen2.5-0.5B", "hub/models--lightblue--lb-reranker-0.5B-v1.0/snapshots/00f",
                  "", Method::kExpectation, "it lies in models--lightblue--lb-reranker-0.5B-v1.0"},
        FoundCase{"LlamaForCausalLM", "", "lb-reranker/rank1-llama3-8b/", "", Method::kReasoning,
                  "it lies in rank1-llama3-8b"},
        FoundCase{"MistralForCausalLM", "", "rank1", "", Method::kReasoning, "it lies in rank1"},
        FoundCase{"Qwen2ForCausalLM", "", "bge-reranker-v2-gemma-style", "", Method::kYesLogit,
                  "it lies in bge-reranker-v2-gemma-style"},
        FoundCase{"Qwen2ForCausalLM", "lb-reranker", "x", "yes-logit", Method::kYesLogit, "--method asks for it"}));
TEST_P(Found, ByArchitectureNameAndPath) {
  const FoundCase& c = GetParam();
  const auto detected = detect(config_of(c.architecture, c.name), c.path, c.asked);
  ASSERT_TRUE(detected.ok()) << detected.error().message();
  EXPECT_EQ(name_of(detected.value().method), name_of(c.method));
  EXPECT_EQ(detected.value().reason, c.reason);
}

struct OpenCase {
  const char* config;
  const char* path;
  const char* asked;
  Error::Code code;
  const char* message;
};
class NotFound : public ::testing::TestWithParam<OpenCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, NotFound,
    ::testing::Values(
        OpenCase{R"({"architectures": ["Qwen2ForCausalLM"]})", "models/mine", "", Error::Code::kUnsupported,
                 "models/mine: Qwen2ForCausalLM can run as yes-logit, expectation, reasoning, and no name says which "
                 "(--method is needed)"},
        OpenCase{R"({"architectures": ["Qwen2ForCausalLM"]})", "rank100/x", "", Error::Code::kUnsupported,
                 "--method is needed"},
        OpenCase{R"({"architectures": ["BertForSequenceClassification"]})", "x", "yes-logit", Error::Code::kUnsupported,
                 "--method: BertForSequenceClassification cannot run as yes-logit (it can run as: cross-encoder)"},
        OpenCase{R"({"architectures": ["GemmaForCausalLM"]})", "x", "expectation", Error::Code::kUnsupported,
                 "it can run as: yes-logit"},
        OpenCase{R"({"architectures": ["GemmaForCausalLM"]})", "x", "best", Error::Code::kBadInput,
                 "one of: cross-encoder, yes-logit, layerwise, lightweight, expectation, reasoning"},
        OpenCase{R"({"architectures": ["T5Model"]})", "x", "", Error::Code::kUnsupported,
                 "config.json: architectures: the architecture T5Model is not supported"},
        OpenCase{R"({"architectures": []})", "x", "", Error::Code::kCorrupt, "is empty"},
        OpenCase{R"({"architectures": [1]})", "x", "", Error::Code::kCorrupt, "architectures[0]"},
        OpenCase{R"({})", "x", "", Error::Code::kCorrupt, "architectures"},
        OpenCase{R"({"architectures": ["Qwen2ForCausalLM"], "_name_or_path": 1})", "x", "", Error::Code::kCorrupt,
                 "_name_or_path"}));
TEST_P(NotFound, SaysWhatThereIs) {
  const auto detected = detect(GetParam().config, GetParam().path, GetParam().asked);
  ASSERT_FALSE(detected.ok());
  EXPECT_EQ(detected.error().code, GetParam().code);
  EXPECT_NE(detected.error().message().find(GetParam().message), std::string::npos) << detected.error().message();
}

}  // namespace
}  // namespace rerank::scoring
