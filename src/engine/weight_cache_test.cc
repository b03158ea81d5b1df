// Weights that are mapped from a cache give the scores of those that were packed, and what is no sound cache gives
// nothing.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <thread>

#include "io/test_files.h"
#include "rerank/engine.h"
#include "rerank/generate.h"
#include "rerank/quantize.h"
#include "support/tiny_causal.h"
#include "support/tiny_checkpoint.h"

namespace rerank {
namespace {

namespace fs = std::filesystem;
using rerank::testing::AsNobody;
using rerank::testing::read_file;
using rerank::testing::TempFolder;
using rerank::testing::TinyCausal;
using rerank::testing::TinyCheckpoint;
using rerank::testing::TinyModel;

constexpr Pair kPairs[] = {{"a b", "c d e"}, {"a b", ""}, {"f", "g h i j k"}};

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

struct Loaded {
  std::vector<double> scores;
  std::string weight_cache;
  std::vector<std::string> remarks;
};

Loaded load(const fs::path& model, const fs::path& cache, EngineOptions options = {}, const ScoreOptions& score = {}) {
  options.threads = 2;
  options.weight_cache = cache.string();
  const auto engine = Engine::load(model, options);
  if (!engine.ok()) {
    ADD_FAILURE() << engine.error().message();
    return {};
  }
  Loaded loaded{{}, engine.value().info().weight_cache, engine.value().remarks({})};
  const auto scores = engine.value().score(kPairs, score);
  if (!scores.ok()) ADD_FAILURE() << scores.error().message();
  if (scores.ok())
    for (const Score& each : scores.value()) loaded.scores.push_back(each.value);
  return loaded;
}

struct Case {
  const char* name;
  std::function<TinyModel()> model;
  Dtype dtype;
  const char* quantized = "";
  ScoreOptions options = {};
};
std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

class CachedModel : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Tiny, CachedModel,
    ::testing::Values(Case{"BertF32", TinyCheckpoint::bert, Dtype::kF32},
                      Case{"BertBf16", TinyCheckpoint::bert, Dtype::kBf16},
                      Case{"BertInt8", TinyCheckpoint::bert, Dtype::kInt8},
                      Case{"XlmRoberta", TinyCheckpoint::xlm_roberta, Dtype::kBf16},
                      Case{"Gemma", TinyCausal::gemma, Dtype::kBf16},
                      Case{"MiniCpm", TinyCausal::minicpm, Dtype::kF32, "", {.cutoff_layers = {3}}},
                      Case{"TiedQwen2", [] { return TinyCausal::qwen2(true); }, Dtype::kBf16},
                      Case{"Qwen2", [] { return TinyCausal::qwen2(false); }, Dtype::kInt8},
                      Case{"Int4Bert", TinyCheckpoint::wide_bert, Dtype::kF32, "int4"},
                      Case{"Int8Qwen2", [] { return TinyCausal::wide_qwen2(true); }, Dtype::kBf16, "int8"},
                      Case{"Int4Qwen2", [] { return TinyCausal::wide_qwen2(false); }, Dtype::kF32, "int4"}),
    &name_of);

TEST_P(CachedModel, ScoresAreTheSameBits) {
  const Case& c = GetParam();
  TinyModel::Folder original;
  c.model().write(original);
  const TempFolder around;
  fs::path model = original.path;
  if (*c.quantized != '\0') {
    model = around.path() / "quantized";
    ASSERT_TRUE(quantize(original.path, model, {.dtype = c.quantized}).ok());
  }
  const fs::path cache = around.path() / "cache";
  const EngineOptions options{.dtype = c.dtype};
  const Loaded without = load(model, "", options, c.options);
  EXPECT_EQ(without.weight_cache, "");
  const Loaded first = load(model, cache, options, c.options);
  ASSERT_EQ(files_in(cache).size(), 1);
  EXPECT_EQ(first.weight_cache, "wrote " + files_in(cache)[0].string());
  const Loaded second = load(model, cache, options, c.options);
  EXPECT_EQ(second.weight_cache, "read " + files_in(cache)[0].string());
  EXPECT_EQ(first.scores, without.scores);
  EXPECT_EQ(second.scores, without.scores);
  EXPECT_EQ(second.remarks, without.remarks);
  EXPECT_EQ(files_in(cache).size(), 1);
}

class WeightCache : public ::testing::Test {
 protected:
  void SetUp() override {
    TinyCheckpoint::bert().write(model_);
    plain_ = load(model_.path, "");
    load(model_.path, cache());
    ASSERT_EQ(files_in(cache()).size(), 1);
    file_ = files_in(cache())[0];
    content_ = read_file(file_);
  }
  fs::path cache() const { return around_.path() / "cache"; }
  void put(std::string_view content) const { around_.write("cache/" + file_.filename().string(), content); }
  void expect_trouble_mended(const std::string& what) const {
    const Loaded loaded = load(model_.path, cache());
    EXPECT_EQ(loaded.scores, plain_.scores) << what;
    EXPECT_EQ(loaded.weight_cache, "wrote " + file_.string()) << what;
    ASSERT_EQ(loaded.remarks.size(), 1) << what;
    EXPECT_NE(loaded.remarks[0].find("the weight cache was not used, and is made again"), std::string::npos) << what;
    EXPECT_EQ(read_file(file_), content_) << what;
    EXPECT_EQ(files_in(cache()).size(), 1) << what;
  }

  TinyModel::Folder model_;
  TempFolder around_;
  Loaded plain_;
  fs::path file_;
  std::string content_;
};

TEST_F(WeightCache, DamageIsFoundWhereverItIs) {
  const std::size_t data = 8 + static_cast<unsigned char>(content_[0]) + 256 * static_cast<unsigned char>(content_[1]);
  ASSERT_LT(data, content_.size());
  for (std::size_t at = data; at < content_.size(); at += 997) {
    std::string damaged = content_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    put(damaged);
    expect_trouble_mended("byte " + std::to_string(at));
  }
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, data / 2, data, content_.size() - 1}) {
    put(std::string_view(content_).substr(0, size));
    expect_trouble_mended(std::to_string(size) + " bytes");
  }
  put(content_ + "x");
  expect_trouble_mended("a byte more");
}

// A byte of the header may change a name, a place, a sum, or nothing that counts.
TEST_F(WeightCache, DamageOfTheHeaderChangesNoScore) {
  const std::size_t data = 8 + static_cast<unsigned char>(content_[0]) + 256 * static_cast<unsigned char>(content_[1]);
  for (std::size_t at = 0; at < data; at += 13) {
    std::string damaged = content_;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    put(damaged);
    EXPECT_EQ(load(model_.path, cache()).scores, plain_.scores) << at;
    EXPECT_EQ(load(model_.path, cache()).weight_cache, "read " + file_.string()) << at;
  }
}

TEST_F(WeightCache, AnotherCheckpointOfTheSameSizesHasAFileOfItsOwn) {
  TinyCheckpoint other = TinyCheckpoint::bert();
  for (float& value : other.tensors.at("bert.encoder.layer.1.output.dense.weight").values) value = -value;
  TinyModel::Folder folder;
  other.write(folder);
  const Loaded loaded = load(folder.path, cache());
  EXPECT_EQ(loaded.scores, load(folder.path, "").scores);
  EXPECT_NE(loaded.scores, plain_.scores);
  EXPECT_EQ(files_in(cache()).size(), 2);
}

TEST_F(WeightCache, ACheckpointThatWasWrittenAgainHasAFileOfItsOwn) {
  fs::last_write_time(model_.path / "model.safetensors", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(load(model_.path, cache()).weight_cache.substr(0, 6), "wrote ");
  EXPECT_EQ(files_in(cache()).size(), 2);
}

TEST_F(WeightCache, AnotherDtypeHasAFileOfItsOwn) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kInt8, Dtype::kBf16}) load(model_.path, cache(), {.dtype = dtype});
  EXPECT_EQ(files_in(cache()).size(), 3);  // one of them is what `auto` was
}

TEST_F(WeightCache, AFolderThatCannotBeWrittenIsSaidAndUsed) {
  const auto set_all = [this](int mode) {
    for (const fs::path& folder : {around_.path(), model_.path, cache()})
      fs::permissions(folder, static_cast<fs::perms>(mode));
  };
  set_all(0555);
  Loaded same, other;
  {
    const AsNobody nobody;
    same = load(model_.path, cache());
    other = load(model_.path, cache(), {.dtype = Dtype::kInt8});
  }
  set_all(0755);
  EXPECT_EQ(same.weight_cache, "read " + file_.string());
  EXPECT_EQ(same.scores, plain_.scores);
  EXPECT_EQ(other.weight_cache, "");
  ASSERT_EQ(other.remarks.size(), 1);
  EXPECT_NE(other.remarks[0].find("the weight cache could not be written"), std::string::npos) << other.remarks[0];
  EXPECT_EQ(files_in(cache()).size(), 1);
}

TEST_F(WeightCache, SeveralMayWriteAtATime) {
  fs::remove(file_);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] { EXPECT_EQ(load(model_.path, cache()).scores, plain_.scores); });
  threads.clear();
  EXPECT_EQ(files_in(cache()), std::vector<fs::path>{file_});
  EXPECT_EQ(read_file(file_), content_);
}

TEST_F(WeightCache, EnvironmentNamesTheFolder) {
  ASSERT_EQ(::setenv("RERANK_WEIGHT_CACHE", cache().c_str(), 1), 0);
  const Loaded loaded = load(model_.path, "");
  ASSERT_EQ(::unsetenv("RERANK_WEIGHT_CACHE"), 0);
  EXPECT_EQ(loaded.weight_cache, "read " + file_.string());
}

TEST_F(WeightCache, AGeneratorSaysWhatWasDamagedToo) {
  TinyModel::Folder model;
  TinyCausal::qwen2(true).write(model);
  const TempFolder around;
  const auto load_generator = [&] {
    return TextGenerator::load(model.path, {.threads = 1, .weight_cache = around.path().string()});
  };
  const auto first = load_generator();
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_TRUE(first.value().remarks().empty());
  const fs::path file = files_in(around.path())[0];
  const std::string content = read_file(file);
  around.write(file.filename().string(), content.substr(0, content.size() - 1));
  const auto second = load_generator();
  ASSERT_TRUE(second.ok()) << second.error().message();
  ASSERT_EQ(second.value().remarks().size(), 1);
  EXPECT_NE(second.value().remarks()[0].find("is made again"), std::string::npos) << second.value().remarks()[0];
  EXPECT_EQ(read_file(file), content);
  EXPECT_TRUE(load_generator().value().remarks().empty());
}

TEST_F(WeightCache, TheEmbeddedModelNeedsNone) {
  const TempFolder empty;
  const auto engine = Engine::load_embedded({.weight_cache = empty.path().string()});
  ASSERT_TRUE(engine.ok());
  EXPECT_EQ(engine.value().info().weight_cache, "");
  EXPECT_TRUE(fs::is_empty(empty.path()));
}

}  // namespace
}  // namespace rerank
