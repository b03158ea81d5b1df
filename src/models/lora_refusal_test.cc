// Adapters that are for another model, ask for what is not done here, or are damaged.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "io/test_files.h"
#include "models/lora.h"
#include "models/lora_test_adapter.h"

namespace rerank::models {
namespace {

using namespace rerank::testing;

bool none(std::string_view) {
  return false;
}

TEST(Lora, AnotherModelsAdapterIsRefused) {
  const auto opened = Adapter::plain().open();
  ASSERT_TRUE(opened.ok());
  const Status unused = opened.value().all_used(none);
  ASSERT_FALSE(unused.ok());
  EXPECT_EQ(unused.error().code, Error::Code::kUnsupported);
  EXPECT_NE(unused.error().message().find(kWeight), std::string::npos) << unused.error().message();
  EXPECT_NE(unused.error().fix.find("example/base"), std::string::npos);
  EXPECT_TRUE(opened.value().all_used([](std::string_view name) { return name == kWeight; }).ok());

  for (const std::vector<std::size_t>& shape : std::vector<std::vector<std::size_t>>{
           {kIn, kOut}, {kOut, kIn + 1}, {kOut + 1, kIn}, {kOut}, {}, {kOut, kIn, 1}, {kOut * kIn}}) {
    const Status matched = opened.value().match(kWeight, shape);
    ASSERT_FALSE(matched.ok());
    EXPECT_EQ(matched.error().code, Error::Code::kCorrupt);
    EXPECT_NE(matched.error().where.find("lora_A.weight"), std::string::npos);
  }
  EXPECT_FALSE(opened.value().all_used(none).ok()) << "a shape that does not fit is no use";
  const std::size_t right[] = {kOut, kIn};
  ASSERT_TRUE(opened.value().match(kWeight, right).ok());
  EXPECT_TRUE(opened.value().all_used(none).ok());
}

TEST(Lora, ManyUnusedWeightsAreCounted) {
  Adapter adapter;
  for (int layer = 0; layer < 30; ++layer) adapter.add_low_rank(fmt::format("layers.{}", layer), 2, 2, kRank);
  const auto opened = adapter.open();
  ASSERT_TRUE(opened.ok());
  const Status unused = opened.value().all_used(none);
  ASSERT_FALSE(unused.ok());
  EXPECT_NE(unused.error().what.find("30 weights"), std::string::npos) << unused.error().what;
  EXPECT_NE(unused.error().what.find("and 20 more"), std::string::npos) << unused.error().what;
}

// Each value is one that PEFT understands and that would change the merged weights, or one it would not understand.
TEST(Lora, ConfigurationsThatWouldChangeTheResultAreRefused) {
  struct Case {
    const char *key, *value;
    Error::Code code = Error::Code::kUnsupported;
  };
  const auto corrupt = Error::Code::kCorrupt;
  for (const Case& c : {Case{"peft_type", R"("IA3")"},
                        Case{"peft_type", R"("ADALORA")"},
                        Case{"peft_type", "3", corrupt},
                        Case{"use_dora", "true"},
                        Case{"fan_in_fan_out", "true"},
                        Case{"bias", R"("all")"},
                        Case{"bias", R"("lora_only")"},
                        Case{"bias", "null", corrupt},
                        Case{"lora_bias", "true"},
                        Case{"layer_replication", "[[0, 4], [2, 5]]"},
                        Case{"megatron_config", R"({"tp": 2})"},
                        Case{"trainable_token_indices", "[1, 2]"},
                        Case{"target_parameters", R"(["experts"])"},
                        Case{"use_qalora", "true"},
                        Case{"a_key_of_the_future", "1"},
                        Case{"a_key_of_the_future", R"("on")"},
                        Case{"init_lora_weights", R"("pissa")"},
                        Case{"init_lora_weights", R"("pissa_niter_16")"},
                        Case{"init_lora_weights", R"("olora")"},
                        Case{"init_lora_weights", R"("corda")"},
                        Case{"init_lora_weights", R"("loftq")"},
                        Case{"r", "0", corrupt},
                        Case{"r", "-3", corrupt},
                        Case{"r", "3.5", corrupt},
                        Case{"r", "99999999999999", corrupt},
                        Case{"r", "18446744073709551615", corrupt},
                        Case{"r", R"("3")", corrupt},
                        Case{"lora_alpha", R"("12")", corrupt},
                        Case{"lora_alpha", "1e300", corrupt},
                        Case{"lora_alpha", "null", corrupt},
                        Case{"use_rslora", "1", corrupt},
                        Case{"rank_pattern", "[3]", corrupt},
                        Case{"rank_pattern", R"({"q_proj": 0})", corrupt},
                        Case{"rank_pattern", R"({"q_proj": "3"})", corrupt},
                        Case{"rank_pattern", R"({"q_proj": 3, "q_proj": 4})", corrupt},
                        Case{"rank_pattern", R"({".*proj": 3})"},
                        Case{"rank_pattern", R"({"": 3})"},
                        Case{"alpha_pattern", R"({"^model": 3})"},
                        Case{"alpha_pattern", R"({"q_proj": "x"})", corrupt},
                        Case{"base_model_name_or_path", "7", corrupt}}) {
    Adapter adapter = Adapter::plain();
    adapter.config[c.key] = c.value;
    const Error error = adapter.error();
    EXPECT_EQ(error.code, c.code) << c.key << ' ' << c.value << ": " << error.message();
    EXPECT_NE(error.message().find(c.key), std::string::npos) << error.message();
    EXPECT_NE(error.where.find("adapter_config.json"), std::string::npos) << error.message();
  }
}

TEST(Lora, InitialisationsOfTheAdapterAloneAreFine) {
  for (const char* value : {"true", "false", "null", R"("gaussian")", R"("eva")", R"("orthogonal")"}) {
    Adapter adapter = Adapter::plain();
    adapter.config["init_lora_weights"] = value;
    EXPECT_TRUE(adapter.open().ok()) << value;
  }
}

TEST(Lora, KeysThatMustBeThere) {
  for (const char* key : {"peft_type", "r", "lora_alpha", "bias"}) {
    Adapter adapter = Adapter::plain();
    adapter.config.erase(key);
    const Error error = adapter.error();
    EXPECT_EQ(error.code, Error::Code::kCorrupt) << key;
    EXPECT_NE(error.message().find(key), std::string::npos) << error.message();
  }
}

TEST(Lora, TensorsThatDoNotFitEachOtherAreRefused) {
  const std::string a = kPrefix + kModule + ".lora_A.weight", b = kPrefix + kModule + ".lora_B.weight";
  const auto refused = [](const char* what, Error::Code code, const std::function<void(Adapter&)>& change) {
    Adapter adapter = Adapter::plain();
    change(adapter);
    const Error error = adapter.error();
    EXPECT_EQ(error.code, code) << what << ": " << error.message();
    EXPECT_NE(error.where.find("adapter_model.safetensors"), std::string::npos) << what << ": " << error.message();
  };
  const auto corrupt = Error::Code::kCorrupt, unsupported = Error::Code::kUnsupported;
  refused("no lora_B", corrupt, [&](Adapter& x) { x.tensors.erase(b); });
  refused("no lora_A", corrupt, [&](Adapter& x) { x.tensors.erase(a); });
  refused("nothing", corrupt, [&](Adapter& x) { x.tensors.clear(); });
  refused("another rank in A", corrupt, [&](Adapter& x) { x.add(a, {kRank + 1, kIn}, 1); });
  refused("another rank in B", corrupt, [&](Adapter& x) { x.add(b, {kOut, kRank + 1}, 1); });
  refused("transposed B", corrupt, [&](Adapter& x) { x.add(b, {kRank, kOut}, 1); });
  refused("one axis", corrupt, [&](Adapter& x) { x.add(a, {kRank}, 1); });
  refused("three axes", corrupt, [&](Adapter& x) { x.add(b, {kOut, kRank, 1}, 1); });
  refused("a scalar", corrupt, [&](Adapter& x) { x.add(a, {}, 1); });
  refused("no rows", corrupt, [&](Adapter& x) { x.add(b, {0, kRank}, 1); });
  refused("no columns", corrupt, [&](Adapter& x) { x.add(a, {kRank, 0}, 1); });
  refused("linear and embedding", corrupt, [&](Adapter& x) {
    x.add(kPrefix + kModule + ".lora_embedding_A", {kRank, kOut}, 1);
    x.add(kPrefix + kModule + ".lora_embedding_B", {kIn, kRank}, 1);
  });
  refused("another shape in the base layer", corrupt, [&](Adapter& x) {
    x.add(kPrefix + kModule + ".base_layer.weight", {kOut, kIn + 1}, 1);
  });
  refused("replaced twice", corrupt, [&](Adapter& x) {
    x.add(kPrefix + "head.weight", {1, 2}, 1);
    x.add(kPrefix + "head.modules_to_save.weight", {1, 2}, 1);
  });
  refused("a replacement with three axes", unsupported, [&](Adapter& x) {
    x.add(kPrefix + "head.weight", {1, 2, 3}, 1);
  });
  refused("an empty replacement", unsupported, [&](Adapter& x) { x.add(kPrefix + "head.weight", {0, 3}, 1); });
  for (const char* name :
       {"model.norm.weight", "base_model.model.x.lora_A.default.weight", "base_model.model.x.lora_magnitude_vector",
        "base_model.model.x.lora_B.bias", "base_model.model.prompt_embeddings", "base_model.model.x", ""})
    refused(name, unsupported, [&](Adapter& x) { x.add(name, {2, 2}, 1); });
}

TEST(Lora, OtherDtypesAreRefused) {
  TempFolder folder;
  folder.write("adapter_config.json", R"({"peft_type": "LORA", "bias": "none", "r": 1, "lora_alpha": 2})");
  folder.write("adapter_model.safetensors",
               rerank::testing::safetensors_file(
                   R"({"base_model.model.x.lora_A.weight":{"dtype":"I8","shape":[1,2],"data_offsets":[0,2]}})", "ab"));
  const auto opened = LoraAdapter::open(folder.path());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Error::Code::kUnsupported);
}

TEST(Lora, FoldersThatAreNoAdapter) {
  TempFolder folder;
  const auto code = [](const std::filesystem::path& path) {
    const auto opened = LoraAdapter::open(path);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? Error::Code::kInternal : opened.error().code;
  };
  EXPECT_EQ(code(folder.path() / "missing"), Error::Code::kNotFound);
  EXPECT_EQ(code(folder.path()), Error::Code::kNotFound);
  EXPECT_EQ(code(folder.write("file", "x")), Error::Code::kNotFound);
  folder.write("adapter_config.json", TinyModel::object(plain_config()));
  EXPECT_EQ(code(folder.path()), Error::Code::kNotFound);
  folder.write("adapter_model.bin", "pickle");
  EXPECT_EQ(code(folder.path()), Error::Code::kUnsupported);
  for (const char* weights : {"", "1234567", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", "not a safetensors file at all"}) {
    folder.write("adapter_model.safetensors", weights);
    EXPECT_EQ(code(folder.path()), Error::Code::kCorrupt) << weights;
  }
  folder.write("adapter_model.safetensors", Adapter::plain().safetensors());
  EXPECT_TRUE(LoraAdapter::open(folder.path()).ok());
  for (const char* config : {"", "[]", "{", "null", R"({"r": 3, "r": 4})"}) {
    folder.write("adapter_config.json", config);
    EXPECT_EQ(code(folder.path()), Error::Code::kCorrupt) << config;
  }
  std::string twice = TinyModel::object(plain_config());
  twice.insert(1, R"("r": 3, )");
  folder.write("adapter_config.json", twice);
  EXPECT_EQ(code(folder.path()), Error::Code::kCorrupt);
}

// Any file cut short or with a flipped byte is refused or read: never a crash, which the sanitizers would see.
TEST(Lora, DamagedFilesDoNotCrash) {
  Adapter adapter;
  adapter.add_low_rank("x", 2, 2, kRank);
  adapter.add(kPrefix + "head.weight", {1, 2}, 1);
  const std::string weights = adapter.safetensors(), config = adapter.config_json();
  TempFolder folder;
  const auto read = [&](const std::string& config_text, const std::string& weights_text) {
    folder.write("adapter_config.json", config_text);
    folder.write("adapter_model.safetensors", weights_text);
    const auto opened = LoraAdapter::open(folder.path());
    if (!opened.ok()) return;
    const std::size_t shape[] = {2, 2};
    std::vector<float> values(2);
    if (opened.value().match("x.weight", shape).ok()) opened.value().add_to_row("x.weight", 1, values);
  };
  for (std::size_t size = 0; size < weights.size(); ++size) read(config, weights.substr(0, size));
  for (std::size_t at = 0; at < weights.size(); ++at)
    for (const char bits : {'\x01', '\x10', '\x7f'}) {
      std::string damaged = weights;
      damaged[at] = static_cast<char>(damaged[at] ^ bits);
      read(config, damaged);
    }
  for (std::size_t at = 0; at < config.size(); ++at) {
    std::string damaged = config;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    read(damaged, weights);
  }
}

}  // namespace
}  // namespace rerank::models
