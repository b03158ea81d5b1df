// LLM rerankers through the engine: scores depend on the pair alone, and what cannot be done says so.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "io/jsonl.h"
#include "io/test_files.h"
#include "rerank/engine.h"
#include "rerank/quantize.h"
#include "support/sanitized.h"
#include "support/shared_data.h"
#include "support/tiny_causal.h"
#include "support/tiny_checkpoint.h"

namespace rerank {
namespace {

using testing::TinyCausal;

struct Case {
  const char* name;
  TinyCausal (*checkpoint)();
  const char* method;  // empty: detected
  ScoreOptions options;
  const char* quantized = "";  // a dtype to quantize to
};
void PrintTo(const Case& row, std::ostream* out) {
  *out << row.name;
}

ScoreOptions layers(std::vector<int> cutoffs, int ratio = 1, std::vector<int> compress = {}) {
  ScoreOptions options;
  options.cutoff_layers = std::move(cutoffs);
  options.compress_ratio = ratio;
  options.compress_layers = std::move(compress);
  return options;
}

std::vector<Case> cases_with_layers() {
  return {{"layerwise", &TinyCausal::minicpm, "", layers({4, 2})},
          {"lightweight", &TinyCausal::gemma2, "", layers({3, 4, 2})},
          {"compressed", &TinyCausal::gemma2, "", layers({2, 4}, 4, {1, 3})}};
}

std::vector<Case> other_cases() {
  return {{"yes_logit", &TinyCausal::gemma, "", {}},
          {"expectation", [] { return TinyCausal::qwen2(true); }, "", {}},
          {"untied", [] { return TinyCausal::qwen2(false); }, "expectation", {}},
          {"llama", &TinyCausal::llama, "yes-logit", {}},
          {"mistral", &TinyCausal::mistral, "yes-logit", {}},
          // Both with a vocabulary of 8 bits.
          {"int4", [] { return TinyCausal::wide_qwen2(true); }, "", {}, "int4"},
          {"int8_untied", [] { return TinyCausal::wide_qwen2(false); }, "expectation", {}, "int8"}};
}

Result<Engine> load(const TinyCausal& checkpoint, EngineOptions options) {
  testing::TinyModel::Folder folder;
  checkpoint.write(folder);
  return Engine::load(folder.path, options);
}

Result<Engine> load(const Case& row, EngineOptions options) {
  options.method = row.method;
  if (*row.quantized == '\0') return load(row.checkpoint(), options);
  testing::TinyModel::Folder original;
  row.checkpoint().write(original);
  const testing::TempFolder around;
  const auto report = quantize(original.path, around.path() / "quantized", {.dtype = row.quantized});
  if (!report.ok()) return report.error();
  EXPECT_TRUE(report.value().vocabulary);
  return Engine::load(around.path() / "quantized", options);
}

struct Texts {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<Pair> views() const {
    std::vector<Pair> views;
    for (const auto& [query, passage] : pairs) views.push_back({query, passage});
    return views;
  }
};

// A few queries with many passages each, some of them equal or empty, beginnings in common, lengths of all kinds.
Texts random_texts(std::size_t count) {
  std::mt19937 random(5);
  const auto text = [&](std::size_t letters) {
    std::string made;
    for (std::size_t i = 0; i < letters; ++i) made += "abcdefgh ijk\n"[random() % 13];
    return made;
  };
  std::vector<std::string> queries;
  for (std::size_t i = 0; i < 5; ++i) queries.push_back(text(i * 9));
  Texts texts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string passage = i % 7 == 3 ? "" : i % 11 == 5 ? "the same beginning " + text(3) : text(random() % 120);
    texts.pairs.emplace_back(i % 13 == 12 ? text(20) : queries[random() % queries.size()], passage);
  }
  return texts;
}

// Value and layer values of each pair.
std::vector<std::vector<double>> values(const Engine& engine, std::span<const Pair> pairs,
                                        const ScoreOptions& options) {
  const auto scores = engine.score(pairs, options);
  EXPECT_TRUE(scores.ok()) << scores.error().message();
  std::vector<std::vector<double>> all;
  for (std::size_t i = 0; scores.ok() && i < pairs.size(); ++i) {
    all.push_back(scores.value()[i].layer_values);
    all.back().push_back(scores.value()[i].value);
  }
  return all;
}

// One thread and nothing shared, against two threads in another order with shared prefixes, and against pairs alone.
void expect_same_bits(const Engine& one_thread, const Engine& two_threads, const std::vector<Pair>& pairs,
                      const ScoreOptions& options) {
  ScoreOptions unshared = options;
  unshared.share_prefixes = false;
  const auto expected = values(one_thread, pairs, unshared);
  std::vector<std::size_t> order(pairs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(2));
  std::vector<Pair> shuffled;
  for (const std::size_t pair_idx : order) shuffled.push_back(pairs[pair_idx]);
  const auto of_shuffled = values(two_threads, shuffled, options);
  for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(of_shuffled[i], expected[order[i]]) << "pair " << order[i];

  for (std::size_t i = 0; i < pairs.size(); i += std::max<std::size_t>(1, pairs.size() / 16))
    for (const Engine* engine : {&one_thread, &two_threads})  // the second does it with both threads together
      ASSERT_EQ(values(*engine, {&pairs[i], 1}, options).front(), expected[i]) << "pair " << i << " alone";
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}
class CausalEngine : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Layers, CausalEngine, ::testing::ValuesIn(cases_with_layers()), name_of);
INSTANTIATE_TEST_SUITE_P(Others, CausalEngine, ::testing::ValuesIn(other_cases()), name_of);
class CutoffLayers : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Models, CutoffLayers, ::testing::ValuesIn(cases_with_layers()), name_of);

TEST_P(CausalEngine, SameBitsHoweverPairsComeTogether) {
  const Texts texts = random_texts(testing::kSanitized ? 24 : 160);
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16, Dtype::kInt8}) {
    const auto one = load(GetParam(), {.dtype = dtype, .threads = 1});
    const auto two = load(GetParam(), {.dtype = dtype, .threads = 2});
    ASSERT_TRUE(one.ok()) << one.error().message();
    ASSERT_TRUE(two.ok()) << two.error().message();
    expect_same_bits(one.value(), two.value(), texts.views(), GetParam().options);
    const auto again = values(two.value(), texts.views(), GetParam().options);  // with prefixes that are there already
    EXPECT_EQ(values(one.value(), texts.views(), GetParam().options), again);
    const Work work = two.value().work();
    EXPECT_LT(work.tokens_computed, work.tokens_given);  // sharing did happen
    EXPECT_LT(work.flops, work.flops_given);

    const auto caching = load(GetParam(), {.dtype = dtype, .threads = 2, .score_cache_bytes = 1 << 20});
    ASSERT_TRUE(caching.ok()) << caching.error().message();
    EXPECT_EQ(values(caching.value(), texts.views(), GetParam().options), again);
    EXPECT_EQ(values(caching.value(), texts.views(), GetParam().options), again);  // all of them from the cache
    EXPECT_GT(caching.value().work().cache_hits, texts.views().size() / 2);
  }
}

TEST_P(CutoffLayers, ALayerScoresTheSameWhicheverOthersAreAsked) {
  const Case& row = GetParam();
  const auto engine = load(row.checkpoint(), {.dtype = Dtype::kF32});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Texts texts = random_texts(20);
  ScoreOptions options = row.options;
  options.heads = Heads::kByLayer;
  const auto together = values(engine.value(), texts.views(), options);
  for (std::size_t k = 0; k < row.options.cutoff_layers.size(); ++k) {
    options.cutoff_layers = {row.options.cutoff_layers[k]};
    const auto alone = values(engine.value(), texts.views(), options);
    for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(alone[i].back(), together[i][k]) << "pair " << i;
  }
}

TEST_P(CutoffLayers, LayersAboveTheCutoffAreNotLoaded) {
  const Case& row = GetParam();
  TinyCausal checkpoint = row.checkpoint();
  const auto whole = load(checkpoint, {.dtype = Dtype::kF32});
  for (auto tensor = checkpoint.tensors.begin(); tensor != checkpoint.tensors.end();)  // what nobody may ask for
    tensor = tensor->first.starts_with("model.layers.3.") ? checkpoint.tensors.erase(tensor) : std::next(tensor);
  const auto part = load(checkpoint, {.dtype = Dtype::kF32, .last_layer = 2});
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  ASSERT_TRUE(part.ok()) << part.error().message();
  EXPECT_EQ(part.value().info().loaded_layers, 2);
  EXPECT_EQ(part.value().info().cutoff_layers, std::vector<int>{2});
  EXPECT_LT(part.value().info().packed_bytes, whole.value().info().packed_bytes);
  ScoreOptions options = row.options;
  options.cutoff_layers = {2};
  const Texts texts = random_texts(10);
  EXPECT_EQ(values(part.value(), texts.views(), options), values(whole.value(), texts.views(), options));
  options.cutoff_layers = {4};
  const auto refused = part.value().score(texts.views(), options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Error::Code::kBadInput);
}

// 1,000 real pairs on each golden checkpoint.
TEST(CausalEngineOnRealPairs, SameBits) {
  RERANK_NEED_SHARED("golden");
  RERANK_NEED_SHARED("bench/workload.jsonl");
  auto reader = io::JsonlReader::open((testing::shared_dir() / "bench/workload.jsonl").string());
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  Texts texts;
  const std::size_t wanted = testing::kSanitized ? 12 : 1000;
  while (texts.pairs.size() < wanted) {
    const auto record = reader.value().next();
    ASSERT_TRUE(record.ok());
    if (!record.value()) break;
    const std::string query(record.value()->json.string_at("query").value());
    const auto passages = record.value()->json.get("passages").value().array();
    ASSERT_TRUE(passages.ok());
    for (const auto passage : passages.value())
      if (texts.pairs.size() < wanted) texts.pairs.emplace_back(query, std::string_view(passage));
  }
  ASSERT_EQ(texts.pairs.size(), wanted);
  struct Model {
    const char* name;
    ScoreOptions options;
  };
  for (const Model& model :
       {Model{"bge-reranker-v2-gemma", {}}, Model{"bge-reranker-v2-minicpm-layerwise", layers({3, 6})},
        Model{"bge-reranker-v2.5-gemma2-lightweight", layers({4, 6}, 2, {2, 4})}, Model{"lb-reranker-0.5b", {}}}) {
    const auto folder = testing::shared_dir() / "golden" / model.name;
    const auto one = Engine::load(folder, {.threads = 1}), two = Engine::load(folder, {.threads = 2});
    ASSERT_TRUE(one.ok()) << one.error().message();
    ASSERT_TRUE(two.ok()) << two.error().message();
    expect_same_bits(one.value(), two.value(), texts.views(), model.options);
    ASSERT_FALSE(::testing::Test::HasFatalFailure()) << model.name;
  }
}

struct RefusedCall {
  const char* why;
  TinyCausal (*checkpoint)();
  std::function<void(ScoreOptions&)> change;
  const char* part_of_message;
};
void PrintTo(const RefusedCall& row, std::ostream* out) {
  *out << row.why;
}
class RefusedCausalCall : public ::testing::TestWithParam<RefusedCall> {};
INSTANTIATE_TEST_SUITE_P(
    Options, RefusedCausalCall,
    ::testing::Values(RefusedCall{"no layer with a head", &TinyCausal::minicpm,
                                  [](auto& o) {
                                    o.cutoff_layers = {1, 9};
                                  },
                                  "2 to 4"},
                      RefusedCall{"ratio 3", &TinyCausal::gemma2, [](auto& o) { o.compress_ratio = 3; }, "2, 4 or 8"},
                      RefusedCall{"negative compress layer", &TinyCausal::gemma2,
                                  [](auto& o) { o.compress_ratio = 2, o.compress_layers = {-1}; }, "-1"},
                      RefusedCall{"negative query length", &TinyCausal::gemma, [](auto& o) { o.query_max_length = -1; },
                                  "-1"},
                      RefusedCall{"longer than the positions", &TinyCausal::gemma,
                                  [](auto& o) { o.max_length = 1 << 20; }, "positions"},
                      RefusedCall{"format without braces", &TinyCausal::gemma,
                                  [](auto& o) { o.query_instruction_format = "x"; }, "{}"}));

TEST_P(RefusedCausalCall, SaysWhatIsWrong) {
  const auto engine = load(GetParam().checkpoint(), {});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ScoreOptions options;
  GetParam().change(options);
  const Pair pair{"a query", "a passage"};
  const auto scores = engine.value().score({&pair, 1}, options);
  ASSERT_FALSE(scores.ok());
  EXPECT_EQ(scores.error().code, Error::Code::kBadInput);
  EXPECT_NE(scores.error().message().find(GetParam().part_of_message), std::string::npos) << scores.error().message();
}

struct RefusedModel {
  const char* why;
  TinyCausal (*checkpoint)();
  std::function<void(TinyCausal&, EngineOptions&)> change;
  const char* part_of_message;
};
void PrintTo(const RefusedModel& row, std::ostream* out) {
  *out << row.why;
}
// Leaves a tied vocabulary of so many tokens.
void cut_rows(TinyCausal& checkpoint, std::size_t rows) {
  auto& embeddings = checkpoint.tensors.at("model.embed_tokens.weight");
  embeddings.values.resize(rows * embeddings.shape[1]);
  embeddings.shape[0] = rows;
  checkpoint.config["vocab_size"] = fmt::format("{}", rows);
}
class RefusedCausalModel : public ::testing::TestWithParam<RefusedModel> {};
INSTANTIATE_TEST_SUITE_P(
    Checkpoints, RefusedCausalModel,
    ::testing::Values(
        RefusedModel{"an open choice of methods", &TinyCausal::llama,
                     [](auto& c, auto&) { c.config.erase("_name_or_path"); }, "--method"},
        RefusedModel{"a method of other architectures", &TinyCausal::gemma,
                     [](auto&, auto& o) { o.method = "layerwise"; }, "layerwise"},
        RefusedModel{"an unknown method", &TinyCausal::gemma, [](auto&, auto& o) { o.method = "magic"; }, "yes-logit"},
        RefusedModel{"an answer of several tokens", &TinyCausal::gemma,
                     [](auto&, auto& o) { o.answer = "Certainly not"; }, "Certainly not"},
        RefusedModel{"a missing tensor", &TinyCausal::gemma,
                     [](auto& c, auto&) { c.tensors.erase("model.layers.1.mlp.up_proj.weight"); }, "up_proj"},
        RefusedModel{"a missing head", &TinyCausal::minicpm,
                     [](auto& c, auto&) { c.tensors.erase("lm_head.1.linear_head.weight"); }, "lm_head.1"},
        RefusedModel{"a tensor nobody reads", &TinyCausal::gemma,
                     [](auto& c, auto&) { c.add("model.layers.1.extra.weight", {4}, 1); }, "extra"},
        RefusedModel{"a wrong shape", &TinyCausal::gemma, [](auto& c, auto&) { c.add("model.norm.weight", {31}, 1); },
                     "[31]"},
        RefusedModel{"rope scaling that is not Llama's", &TinyCausal::llama,
                     [](auto& c, auto& o) {
                       o.method = "yes-logit";
                       c.config["rope_scaling"] = R"({"rope_type": "yarn", "factor": 2.0})";
                     },
                     "yarn"},
        RefusedModel{"an unknown activation", &TinyCausal::gemma,
                     [](auto& c, auto&) { c.config["hidden_act"] = R"("swish2")"; }, "swish2"},
        RefusedModel{"heads that do not divide", &TinyCausal::gemma,
                     [](auto& c, auto&) { c.config["num_key_value_heads"] = "2"; }, "num_key_value_heads"},
        RefusedModel{"an answer that the vocabulary lacks", &TinyCausal::gemma, [](auto& c, auto&) { cut_rows(c, 9); },
                     "outside the vocabulary of 9"},
        RefusedModel{"digits that the vocabulary lacks", [] { return TinyCausal::qwen2(true); },
                     [](auto& c, auto&) { cut_rows(c, 9); }, "outside the vocabulary of 9"},
        RefusedModel{"a chat template that cannot run", [] { return TinyCausal::qwen2(true); },
                     [](auto& c, auto&) { c.tokenizer_config["chat_template"] = R"("{% macro x() %}{% endmacro %}")"; },
                     "macro"},
        RefusedModel{"an adapter that is not there", &TinyCausal::gemma,
                     [](auto&, auto& o) { o.adapter = "/nowhere/adapter"; }, "adapter"}));

TEST_P(RefusedCausalModel, SaysWhatIsWrong) {
  TinyCausal checkpoint = GetParam().checkpoint();
  EngineOptions options;
  GetParam().change(checkpoint, options);
  const auto engine = load(checkpoint, options);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message().find(GetParam().part_of_message), std::string::npos) << engine.error().message();
}

TEST(CausalEngineErrors, ABadPairDoesNotLoseTheOthers) {
  TinyCausal checkpoint = TinyCausal::gemma();
  const auto engine = load(checkpoint, {.dtype = Dtype::kF32});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pairs[] = {{"query", "good"}, {"query", "bad \xFF"}, {"query", "good"}};
  const auto scores = engine.value().score_each(pairs);
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_TRUE(scores.value()[0].ok());
  ASSERT_FALSE(scores.value()[1].ok());
  EXPECT_NE(scores.value()[1].error().message().find("pair 1"), std::string::npos);
  ASSERT_TRUE(scores.value()[2].ok());
  EXPECT_EQ(scores.value()[2].value().value, scores.value()[0].value().value);
}

TEST(CausalEngineErrors, AStopLeavesScoresThatAreDone) {
  const Texts texts = random_texts(testing::kSanitized ? 60 : 200);
  const auto pairs = texts.views();
  for (const Case& row : cases_with_layers()) {
    const auto engine = load(row.checkpoint(), {.dtype = Dtype::kF32, .threads = 1, .method = row.method});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    const auto expected = values(engine.value(), pairs, row.options);
    std::stop_source stop;
    ScoreOptions options = row.options;
    options.stop = stop.get_token();
    const auto scores = engine.value().score_each(pairs, options, [&](std::size_t) { stop.request_stop(); });
    ASSERT_TRUE(scores.ok());
    std::size_t scored = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (scores.value()[i].ok()) {
        EXPECT_EQ(scores.value()[i].value().value, expected[i].back()) << row.name;
        ++scored;
      }
    }
    EXPECT_GT(scored, 0u) << row.name;
    EXPECT_LT(scored, pairs.size()) << row.name;
  }
  // Where the vocabulary is read after all pairs, a stop on the way leaves none.
  const auto engine = load(TinyCausal::qwen2(true), {.dtype = Dtype::kF32, .threads = 1});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  std::stop_source stop;
  ScoreOptions options;
  options.stop = stop.get_token();
  const auto scores = engine.value().score_each(pairs, options, [&](std::size_t) { stop.request_stop(); });
  ASSERT_TRUE(scores.ok());
  for (const auto& score : scores.value()) EXPECT_FALSE(score.ok());
}

TEST(CausalEngineErrors, AScoreThatIsNoNumberNamesItsPair) {
  TinyCausal checkpoint = TinyCausal::gemma();
  for (float& value : checkpoint.tensors["model.norm.weight"].values) value = std::numeric_limits<float>::quiet_NaN();
  const auto engine = load(checkpoint, {});
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pair{"query", "passage"};
  const auto scores = engine.value().score({&pair, 1});
  ASSERT_FALSE(scores.ok());
  EXPECT_NE(scores.error().message().find("pair 0"), std::string::npos) << scores.error().message();
}

}  // namespace
}  // namespace rerank
