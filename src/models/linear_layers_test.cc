#include "models/linear_layers.h"

#include <gtest/gtest.h>

#include <functional>

#include "io/checkpoint.h"
#include "models/causal_registry.h"
#include "models/registry.h"
#include "support/tiny_causal.h"
#include "support/tiny_checkpoint.h"

namespace rerank::models {
namespace {

using rerank::testing::TinyCausal;
using rerank::testing::TinyCheckpoint;
using rerank::testing::TinyModel;

TEST(LinearLayers, AreAllMatricesBetweenEmbeddingsAndHead) {
  const std::vector<std::function<TinyModel()>> models = {
      TinyCheckpoint::bert, TinyCheckpoint::xlm_roberta, TinyCausal::gemma,  TinyCausal::minicpm,
      TinyCausal::gemma2,   TinyCausal::llama,           TinyCausal::mistral};
  for (const auto& make : models) {
    const TinyModel model = make();
    const auto config = io::JsonDocument::parse(model.config_json(), "config.json");
    const auto found = linear_layers(config.value().root());
    ASSERT_TRUE(found.ok()) << found.error().message();
    SCOPED_TRACE(found.value().architecture);
    std::map<std::string, std::vector<std::size_t>> listed, expected;
    for (const LinearLayer& layer : found.value().layers) listed[layer.name + ".weight"] = {layer.out, layer.in};
    for (const auto& [name, tensor] : model.tensors)
      if (tensor.shape.size() == 2 && name.find(".layer") != std::string::npos) expected[name] = tensor.shape;
    EXPECT_EQ(listed, expected);
    EXPECT_FALSE(listed.empty());
  }
}

// It is no layer, and has the embeddings' weight where it has none of its own.
TEST(LinearLayers, SayWhatAVocabularyIsMultipliedWith) {
  const auto vocabulary_of = [](const TinyModel& model) {
    const auto config = io::JsonDocument::parse(model.config_json(), "config.json");
    return linear_layers(config.value().root()).value().vocabulary;
  };
  EXPECT_FALSE(vocabulary_of(TinyCheckpoint::bert()));
  for (const TinyModel& model : {TinyModel(TinyCausal::gemma()), TinyModel(TinyCausal::qwen2(true)),
                                 TinyModel(TinyCausal::qwen2(false)), TinyModel(TinyCausal::llama())}) {
    const auto vocabulary = vocabulary_of(model);
    ASSERT_TRUE(vocabulary);
    EXPECT_EQ(vocabulary->tied, !model.tensors.contains("lm_head.weight"));
    EXPECT_EQ(vocabulary->weight, vocabulary->tied ? "model.embed_tokens.weight" : "lm_head.weight");
    EXPECT_EQ(model.tensors.at(vocabulary->weight).shape, (std::vector{vocabulary->out, vocabulary->in}));
  }
}

TEST(LinearLayers, SayWhereHeadsArePadded) {
  const auto padded = [](const TinyModel& model) {
    const auto config = io::JsonDocument::parse(model.config_json(), "config.json");
    const auto found = linear_layers(config.value().root());
    std::size_t count = 0;
    for (const LinearLayer& layer : found.value().layers) {
      if (!layer.padded_inputs) continue;
      ++count;
      EXPECT_TRUE(layer.name.ends_with("o_proj") || layer.name.ends_with("attention.output.dense")) << layer.name;
    }
    return count;
  };
  EXPECT_EQ(padded(TinyCheckpoint::bert()), 2u);
  EXPECT_EQ(padded(TinyCausal::gemma()), 3u);
  EXPECT_EQ(padded(TinyCheckpoint::wide_bert()), 0u);
  EXPECT_EQ(padded(TinyCausal::wide_minicpm()), 0u);
}

TEST(LinearLayers, AnUnknownArchitectureIsRefusedWithTheList) {
  const auto config = io::JsonDocument::parse(R"({"architectures": ["T5ForConditionalGeneration"]})", "config.json");
  const auto refused = linear_layers(config.value().root());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Error::Code::kUnsupported);
  for (const auto& row : classifier_architectures())
    EXPECT_NE(refused.error().fix.find(row.hf_name), std::string::npos) << row.hf_name;
  for (const auto& row : causal_architectures())
    EXPECT_NE(refused.error().fix.find(row.hf_name), std::string::npos) << row.hf_name;
}

}  // namespace
}  // namespace rerank::models
