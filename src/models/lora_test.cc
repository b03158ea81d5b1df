// Self-made adapters, compared with a plain loop in double precision.
#include "models/lora.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "io/test_files.h"
#include "models/lora_config.h"
#include "models/lora_test_adapter.h"

namespace rerank::models {
namespace {

using namespace rerank::testing;

std::vector<float> base_weight(std::size_t out, std::size_t in) {
  TinyModel model;
  model.add("base", {out, in}, 1);
  return model.tensors["base"].values;
}

void merge(const LoraAdapter& adapter, const std::string& weight, std::size_t out, std::size_t in,
           std::vector<float>& values) {
  const std::size_t shape[] = {out, in};
  const Status matched = adapter.match(weight, shape);
  ASSERT_TRUE(matched.ok()) << matched.error().message();
  for (std::size_t row = 0; row < out; ++row) adapter.add_to_row(weight, row, std::span(values).subspan(row * in, in));
}

void expect_near(const std::vector<float>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], 2e-6 * (1 + std::fabs(expected[i]))) << i;
}

void expect_scale(const Adapter& adapter, double scale) {
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const std::vector<float> base = base_weight(kOut, kIn);
  std::vector<float> values = base;
  merge(opened.value(), kWeight, kOut, kIn, values);
  expect_near(values, adapter.merged(kModule, base, scale));
}

TEST(Lora, AddsTheScaledProductToEachRow) {
  expect_scale(Adapter::plain(), 12.0 / 3);
}

TEST(Lora, RankStabilizedScale) {
  Adapter adapter = Adapter::plain();
  adapter.config["use_rslora"] = "true";
  expect_scale(adapter, 12 / std::sqrt(3.0));
}

TEST(Lora, AlphaMayBeAFraction) {
  Adapter adapter = Adapter::plain();
  adapter.config["lora_alpha"] = "1.5";
  expect_scale(adapter, 0.5);
}

TEST(Lora, PatternsGiveModulesTheirOwnRankAndAlpha) {
  struct Case {
    const char *ranks, *alphas;
    double scale;
  };
  for (const Case& c : {Case{R"({"q_proj": 3})", "{}", 12.0 / 3},
                        Case{R"({"k_proj": 5, "layers.3.self_attn.q_proj": 3})", R"({"v_proj": 1})", 12.0 / 3},
                        Case{R"({"model.layers.3.self_attn.q_proj": 3})", R"({"q_proj": 7})", 7.0 / 3},
                        Case{R"({"q_proj": 3})", R"({"3.self_attn.q_proj": 30, "q_proj": 7})", 10},
                        Case{R"({"q_proj": 3})", R"({"proj": 30, "odel.layers.3.self_attn.q_proj": 30})", 12.0 / 3}}) {
    Adapter adapter = Adapter::plain();
    adapter.config["r"] = "64";  // of all other modules
    adapter.config["rank_pattern"] = c.ranks;
    adapter.config["alpha_pattern"] = c.alphas;
    SCOPED_TRACE(fmt::format("{} {}", c.ranks, c.alphas));
    expect_scale(adapter, c.scale);
  }
}

TEST(Lora, HalfPrecisionMatricesAreWidened) {
  TempFolder folder;
  folder.write("adapter_config.json", R"({"peft_type": "LORA", "bias": "none", "r": 1, "lora_alpha": 2})");
  // BF16 1.0 and -2.0, F16 0.5
  folder.write("adapter_model.safetensors",
               rerank::testing::safetensors_file(
                   R"({"base_model.model.x.lora_A.weight":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},)"
                   R"("base_model.model.x.lora_B.weight":{"dtype":"F16","shape":[1,1],"data_offsets":[4,6]}})",
                   std::string_view("\x80\x3f\x00\xc0\x00\x38", 6)));
  const auto opened = LoraAdapter::open(folder.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  std::vector<float> values = {10, 10};
  merge(opened.value(), "x.weight", 1, 2, values);
  EXPECT_EQ(values, (std::vector<float>{11, 8}));
}

TEST(Lora, LeavesOtherWeightsAlone) {
  const auto opened = Adapter::plain().open();
  ASSERT_TRUE(opened.ok());
  const LoraAdapter& adapter = opened.value();
  EXPECT_TRUE(adapter.touches(kWeight));
  for (const char* other :
       {"model.layers.3.self_attn.k_proj.weight", "model.layers.3.self_attn.q_proj.bias", kModule, ""}) {
    EXPECT_FALSE(adapter.touches(other)) << other;
    EXPECT_FALSE(adapter.replaces(other)) << other;
    std::vector<float> values = {1, 2};
    merge(adapter, other, 1, 2, values);
    EXPECT_EQ(values, (std::vector<float>{1, 2}));
  }
}

// PEFT keeps an embedding's matrices transposed and without ".weight".
TEST(Lora, EmbeddingsAreTheTransposedProduct) {
  constexpr std::size_t kVocabulary = 11, kHidden = 5;
  Adapter adapter;
  adapter.add(kPrefix + "model.embed_tokens.lora_embedding_A", {kRank, kVocabulary}, 0.5f);
  adapter.add(kPrefix + "model.embed_tokens.lora_embedding_B", {kHidden, kRank}, 0.5f);
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const std::vector<float> base = base_weight(kVocabulary, kHidden);
  std::vector<float> values = base;
  merge(opened.value(), "model.embed_tokens.weight", kVocabulary, kHidden, values);

  const auto& a = adapter.tensors.at(kPrefix + "model.embed_tokens.lora_embedding_A").values;
  const auto& b = adapter.tensors.at(kPrefix + "model.embed_tokens.lora_embedding_B").values;
  std::vector<double> expected(base.begin(), base.end());
  for (std::size_t token = 0; token < kVocabulary; ++token)
    for (std::size_t h = 0; h < kHidden; ++h)
      for (std::size_t k = 0; k < kRank; ++k)
        expected[token * kHidden + h] += 4.0 * double{a[k * kVocabulary + token]} * double{b[h * kRank + k]};
  expect_near(values, expected);
}

TEST(Lora, WholeWeightsReplaceTheModels) {
  for (const char* name : {"lm_head.0.linear_head.weight", "lm_head.0.linear_head.modules_to_save.weight",
                           "lm_head.0.linear_head.base_layer.weight"}) {
    Adapter adapter;
    adapter.config["modules_to_save"] = R"(["linear_head"])";
    adapter.add(kPrefix + name, {1, kIn}, 1);
    const auto opened = adapter.open();
    ASSERT_TRUE(opened.ok()) << opened.error().message();
    EXPECT_TRUE(opened.value().replaces("lm_head.0.linear_head.weight"));
    std::vector<float> values = base_weight(1, kIn);
    merge(opened.value(), "lm_head.0.linear_head.weight", 1, kIn, values);
    EXPECT_EQ(values, adapter.tensors.at(kPrefix + name).values) << name;
  }
}

TEST(Lora, VectorsAreReplacedAsOneRow) {
  Adapter adapter;
  adapter.add(kPrefix + "model.norm.weight", {9}, 1);
  adapter.add(kPrefix + "score.bias", {2}, 1);
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  const std::size_t nine[] = {9}, two[] = {2}, matrix[] = {1, 9};
  EXPECT_FALSE(opened.value().match("model.norm.weight", matrix).ok());
  ASSERT_TRUE(opened.value().match("model.norm.weight", nine).ok());
  ASSERT_TRUE(opened.value().match("score.bias", two).ok());
  std::vector<float> norm(9, 1.0f);
  opened.value().add_to_row("model.norm.weight", 0, norm);
  EXPECT_EQ(norm, adapter.tensors.at(kPrefix + "model.norm.weight").values);
  EXPECT_TRUE(opened.value().all_used([](std::string_view) { return false; }).ok());
}

// What save_embedding_layers writes: the table that the low-rank change counts from.
TEST(Lora, AReplacementComesBeforeTheLowRankChange) {
  Adapter adapter = Adapter::plain();
  adapter.add(kPrefix + kModule + ".base_layer.weight", {kOut, kIn}, 1);
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  std::vector<float> values(kOut * kIn, 99.0f);
  merge(opened.value(), kWeight, kOut, kIn, values);
  expect_near(values, adapter.merged(kModule, adapter.tensors.at(kPrefix + kModule + ".base_layer.weight").values, 4));
}

TEST(Lora, ManyThreadsMayMerge) {
  const Adapter adapter = Adapter::plain();
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok());
  const std::vector<float> base = base_weight(kOut, kIn);
  std::vector<float> values = base;
  const std::size_t shape[] = {kOut, kIn};
  ASSERT_TRUE(opened.value().match(kWeight, shape).ok());
  std::vector<std::thread> threads;
  for (std::size_t row = 0; row < kOut; ++row)
    threads.emplace_back(
        [&, row] { opened.value().add_to_row(kWeight, row, std::span(values).subspan(row * kIn, kIn)); });
  for (std::thread& thread : threads) thread.join();
  expect_near(values, adapter.merged(kModule, base, 4));
}

TEST(Lora, MovingKeepsEverything) {
  Adapter adapter = Adapter::plain();
  adapter.add(kPrefix + "head.weight", {1, 4}, 1);
  auto opened = adapter.open();
  ASSERT_TRUE(opened.ok());
  LoraAdapter moved = std::move(opened).value();
  LoraAdapter again = std::move(moved);
  std::vector<float> values(4);
  merge(again, "head.weight", 1, 4, values);
  EXPECT_EQ(values, adapter.tensors.at(kPrefix + "head.weight").values);
}

TEST(LoraConfig, ADotInAPatternFitsAnyCharacter) {
  LoraConfig config;
  config.rank = 8;
  config.alpha = 16;
  config.ranks = {{"layers.1", 2}, {"a.b", 4}};
  EXPECT_EQ(config.rank_of("model.layers.1"), 2u);
  EXPECT_EQ(config.rank_of("layers.1"), 2u);
  EXPECT_EQ(config.rank_of("model.layers.11"), 8u);
  EXPECT_EQ(config.rank_of("x.a_b"), 4u);
  EXPECT_EQ(config.rank_of("xa.b"), 8u);
  EXPECT_EQ(config.rank_of(""), 8u);
  EXPECT_EQ(config.scale_of("layers.1"), 8.0f);
}

}  // namespace
}  // namespace rerank::models
