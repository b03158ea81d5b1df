#include "rerank/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <thread>

#include "kernels/level.h"
#include "support/sanitized.h"
#include "support/tiny_checkpoint.h"

namespace rerank {
namespace {

using testing::TinyCheckpoint;

Result<Engine> load(const TinyCheckpoint& checkpoint, const EngineOptions& options = {}) {
  TinyCheckpoint::Folder folder;
  checkpoint.write(folder);
  return Engine::load(folder.path, options);
}

std::vector<std::string> levels_on_this_cpu() {
  std::vector<std::string> names;
  for (const kernels::Level* level : kernels::levels_on_this_cpu()) names.emplace_back(level->name);
  if (testing::kSanitized) names.resize(1);  // the others are the same code around other products
  return names;
}

// Texts of seeded random words; lengths vary from empty to beyond 512 tokens.
std::vector<std::pair<std::string, std::string>> random_texts(std::size_t count) {
  static constexpr const char* kWords[] = {"bear",   "panda", "eats",  "bamboo",  "in",    "china", "rivers",
                                           "of",     "stone", "the",   "weather", "today", "is",    "cold",
                                           "prices", "rise",  "after", "war",     "x",     "42"};
  std::mt19937 random(11);
  const auto text = [&](std::size_t words) {
    std::string made;
    for (std::size_t i = 0; i < words; ++i) {
      if (i > 0) made += ' ';
      made += kWords[random() % std::size(kWords)];
    }
    return made;
  };
  std::vector<std::pair<std::string, std::string>> texts;
  for (std::size_t i = 0; i < count; ++i)
    texts.emplace_back(text(random() % 12), text(i % 24 == 5 ? 700 : random() % 90));
  return texts;
}

std::vector<Pair> as_pairs(const std::vector<std::pair<std::string, std::string>>& texts) {
  std::vector<Pair> pairs;
  for (const auto& [query, passage] : texts) pairs.push_back({query, passage});
  return pairs;
}

std::vector<double> values(const Engine& engine, std::span<const Pair> pairs, const ScoreOptions& options = {}) {
  const auto scores = engine.score(pairs, options);
  EXPECT_TRUE(scores.ok()) << scores.error().message();
  std::vector<double> out;
  for (const Score& score : scores.value()) out.push_back(score.value);
  return out;
}

// Rule 2 of the numbers, through everything: tokenizer, batches, threads.
TEST(Engine, ScoresDoNotDependOnThreadsOrderOrNeighbours) {
  const auto texts = random_texts(testing::kSanitized ? 4 : 48);
  const auto pairs = as_pairs(texts);
  for (const std::string& level : levels_on_this_cpu())
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16, Dtype::kInt8}) {
      const std::span<const Pair> used =
          std::span(pairs).first(level == "scalar" ? std::min<std::size_t>(8, pairs.size()) : pairs.size());
      const auto one_thread = Engine::load_embedded({.dtype = dtype, .threads = 1, .cpu_level = level});
      const auto two_threads = Engine::load_embedded({.dtype = dtype, .threads = 2, .cpu_level = level});
      ASSERT_TRUE(one_thread.ok()) << one_thread.error().message();
      ASSERT_TRUE(two_threads.ok());
      const auto expected = values(one_thread.value(), used);
      EXPECT_EQ(values(two_threads.value(), used), expected) << level;

      std::vector<std::size_t> order(used.size());
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), std::mt19937(3));
      std::vector<Pair> shuffled;
      for (const std::size_t i : order) shuffled.push_back(used[i]);
      const auto shuffled_scores = values(two_threads.value(), shuffled);
      for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(shuffled_scores[i], expected[order[i]]) << level;

      for (std::size_t i = 0; i < used.size(); i += 3) {
        ASSERT_EQ(values(one_thread.value(), used.subspan(i, 1))[0], expected[i]) << level << " alone: " << i;
        // Done by both threads together.
        ASSERT_EQ(values(two_threads.value(), used.subspan(i, 1))[0], expected[i]) << level << " alone: " << i;
      }
    }
}

// Repeated pairs are scored once, and known ones not again: to the same bits at every level and dtype.
TEST(Engine, ScoresAreTheSameBitsFromTheCacheAndForRepeatedPairs) {
  const auto texts = random_texts(8);
  const auto pairs = as_pairs(texts);
  std::vector<Pair> twice(pairs.rbegin(), pairs.rend());
  twice.insert(twice.end(), pairs.begin(), pairs.end());
  for (const std::string& level : levels_on_this_cpu())
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBf16}) {
      const auto plain = Engine::load_embedded({.dtype = dtype, .threads = 1, .cpu_level = level});
      const auto caching =
          Engine::load_embedded({.dtype = dtype, .threads = 2, .score_cache_bytes = 1 << 20, .cpu_level = level});
      ASSERT_TRUE(plain.ok() && caching.ok());
      auto expected = values(plain.value(), pairs);
      EXPECT_EQ(values(caching.value(), std::span(pairs).first(3)),
                std::vector(expected.begin(), expected.begin() + 3));
      std::vector<double> expected_twice(expected.rbegin(), expected.rend());
      expected_twice.insert(expected_twice.end(), expected.begin(), expected.end());
      EXPECT_EQ(values(caching.value(), twice), expected_twice) << level;
      EXPECT_EQ(values(plain.value(), twice), expected_twice) << level;
      const Work work = caching.value().work();
      EXPECT_EQ(work.repeated_pairs, 8u);
      EXPECT_EQ(work.cache_hits, 3u);
      EXPECT_EQ(work.cache_misses, 8u);
      EXPECT_LT(work.tokens_computed, work.tokens_given);
      EXPECT_EQ(plain.value().work().repeated_pairs, 8u);
      ScoreOptions normalized;
      normalized.normalize = true;
      EXPECT_EQ(values(caching.value(), pairs, normalized), values(plain.value(), pairs, normalized)) << level;
    }
}

TEST(Engine, ManyThreadsMayCallOneEngine) {
  const auto engine = Engine::load_embedded({.dtype = Dtype::kAuto, .threads = 2});
  ASSERT_TRUE(engine.ok());
  const auto texts = random_texts(testing::kSanitized ? 6 : 30);
  const auto pairs = as_pairs(texts);
  const auto expected = values(engine.value(), pairs);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] { EXPECT_EQ(values(engine.value(), pairs), expected); });
  for (auto& caller : callers) caller.join();
}

TEST(Engine, AStopLeavesScoresThatAreDone) {
  const auto engine = Engine::load_embedded({.dtype = Dtype::kF32, .threads = 1});
  ASSERT_TRUE(engine.ok());
  const auto texts = random_texts(testing::kSanitized ? 30 : 60);  // of several micro-batches
  const auto pairs = as_pairs(texts);
  const auto expected = values(engine.value(), pairs);
  std::stop_source stop;
  ScoreOptions options;
  options.stop = stop.get_token();
  std::size_t done = 0;
  const auto scores = engine.value().score_each(pairs, options, [&](std::size_t pairs_done) {
    done = pairs_done;
    stop.request_stop();
  });
  ASSERT_TRUE(scores.ok());
  std::size_t scored = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (scores.value()[i].ok()) {
      EXPECT_EQ(scores.value()[i].value().value, expected[i]);
      ++scored;
    } else {
      EXPECT_NE(scores.value()[i].error().message().find("stopped"), std::string::npos);
    }
  }
  EXPECT_EQ(scored, done);
  EXPECT_LT(scored, pairs.size());
  EXPECT_GT(scored, 0u);
  const auto none = engine.value().score_each(pairs, options);  // the stop was requested before
  ASSERT_TRUE(none.ok());
  for (const auto& score : none.value()) EXPECT_FALSE(score.ok());
}

TEST(Engine, TheEmbeddedModelPrefersTheAnswer) {
  const auto engine = Engine::load_embedded();
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const std::string_view passages[] = {"The recipe needs two eggs and a cup of flour.",
                                       "The giant panda is a bear species endemic to China.",
                                       "Stock markets fell sharply on Monday."};
  const auto ranking = engine.value().rank("what is a panda?", passages, 2);
  ASSERT_TRUE(ranking.ok());
  ASSERT_EQ(ranking.value().size(), 2u);
  EXPECT_EQ(ranking.value()[0].index, 1u);
  EXPECT_GE(ranking.value()[0].score.value, ranking.value()[1].score.value);
}

TEST(Engine, EqualScoresKeepTheOrderGiven) {
  const auto engine = load(TinyCheckpoint::bert());
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const std::string_view passages[] = {"a b", "c", "a b", "a b"};
  const auto ranking = engine.value().rank("a", passages);
  ASSERT_TRUE(ranking.ok());
  std::vector<std::size_t> twins;
  for (const auto& ranked : ranking.value())
    if (ranked.index != 1) twins.push_back(ranked.index);
  EXPECT_EQ(twins, (std::vector<std::size_t>{0, 2, 3}));
}

TEST(Engine, NormalizeIsTheSigmoidAndKeepsTheOrder) {
  const auto engine = load(TinyCheckpoint::xlm_roberta());
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pairs[] = {{"a b c", "d e f"}, {"", ""}, {"x", "y z"}};
  const auto raw = values(engine.value(), pairs);
  ScoreOptions options;
  options.normalize = true;
  const auto normalized = values(engine.value(), pairs, options);
  for (std::size_t i = 0; i < raw.size(); ++i) EXPECT_DOUBLE_EQ(normalized[i], 1 / (1 + std::exp(-raw[i])));
}

TEST(Engine, SaysHowManyTokensWereSeenAndCut) {
  const auto engine = load(TinyCheckpoint::bert());
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ScoreOptions options;
  options.max_length = 16;  // 3 special tokens; the query keeps at most 12
  const Pair pairs[] = {{"a b", "c d e"}, {"a b", "a b c d e f g h i j k l m n"}, {"", ""}};
  const auto scores = engine.value().score(pairs, options);
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_EQ(scores.value()[0].tokens, 8u);
  EXPECT_EQ(scores.value()[0].cut_tokens, 0u);
  EXPECT_EQ(scores.value()[1].tokens, 16u);
  EXPECT_EQ(scores.value()[1].cut_tokens, 3u);
  EXPECT_EQ(scores.value()[2].tokens, 3u);
}

TEST(Engine, OneBadPairDoesNotLoseTheOthers) {
  const auto engine = load(TinyCheckpoint::bert());
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  ScoreOptions options;
  options.max_length = 64;
  const Pair pairs[] = {{"a", "b"}, {"a", "bad \xFF byte"}, {"c", "d"}};
  const auto scores = engine.value().score_each(pairs, options);
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_TRUE(scores.value()[0].ok());
  EXPECT_TRUE(scores.value()[2].ok());
  ASSERT_FALSE(scores.value()[1].ok());
  EXPECT_EQ(scores.value()[1].error().code, Error::Code::kBadInput);
  EXPECT_NE(scores.value()[1].error().where.find("pair 1, passage"), std::string::npos)
      << scores.value()[1].error().where;
  EXPECT_FALSE(engine.value().score(pairs, options).ok());
}

TEST(Engine, AScoreThatIsNotFiniteIsAnErrorThatNamesThePair) {
  TinyCheckpoint checkpoint = TinyCheckpoint::bert();
  checkpoint.tensors["classifier.bias"].values[0] = std::numeric_limits<float>::quiet_NaN();
  const auto engine = load(checkpoint);
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pairs[] = {{"a", "b"}};
  const auto scores = engine.value().score(pairs, ScoreOptions{.max_length = 32});
  ASSERT_FALSE(scores.ok());
  EXPECT_EQ(scores.error().where, "pair 0");
  EXPECT_NE(scores.error().what.find("nan"), std::string::npos);
}

// "[SEP]" in a passage: the control token by default, as in the reference; letters and brackets if asked.
TEST(Engine, ControlTokensInTextArePlainTextIfAskedFor) {
  const auto tokenizer = ModelTokenizer::load_embedded();
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const auto ids = [&](bool special_in_text) {
    return tokenizer.value().encode("a [SEP] b", std::nullopt, false, special_in_text).value().ids;
  };
  constexpr std::int32_t kSeparator = 102;
  const auto control = ids(true), plain_text = ids(false);
  ASSERT_EQ(control.size(), 3u);
  EXPECT_EQ(control[1], kSeparator);
  EXPECT_GT(plain_text.size(), 3u);
  EXPECT_EQ(std::count(plain_text.begin(), plain_text.end(), kSeparator), 0);

  const auto engine = Engine::load_embedded();
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pairs[] = {{"a", "b [SEP] c"}};
  ScoreOptions plain;
  plain.special_tokens_in_text = false;
  EXPECT_LT(engine.value().score(pairs).value()[0].tokens, engine.value().score(pairs, plain).value()[0].tokens);
}

struct BadOptions {
  const char* why;
  std::function<void(ScoreOptions&)> set;
  const char* where;
};
TEST(Engine, OptionsThatFitNoPairAreRefused) {
  const auto engine = load(TinyCheckpoint::bert());
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const BadOptions table[] = {
      {"no room beside the special tokens", [](ScoreOptions& o) { o.max_length = 3; }, "--max-length"},
      {"more than the model's positions", [](ScoreOptions& o) { o.max_length = 65; }, "--max-length"},
      {"negative", [](ScoreOptions& o) { o.max_length = -1; }, "--max-length"},
      {"negative query", [](ScoreOptions& o) { o.query_max_length = -1; }, "--query-max-length"},
      {"one placeholder", [](ScoreOptions& o) { o.query_instruction_format = "{}"; }, "--query-instruction-format"},
      {"three placeholders", [](ScoreOptions& o) { o.passage_instruction_format = "{}{}{}"; },
       "--passage-instruction-format"},
      {"named placeholder", [](ScoreOptions& o) { o.query_instruction_format = "{a}{}{}"; },
       "--query-instruction-format"},
  };
  const Pair pairs[] = {{"a", "b"}};
  for (const BadOptions& bad : table) {
    ScoreOptions options;
    options.max_length = 32;
    bad.set(options);
    const auto scores = engine.value().score(pairs, options);
    ASSERT_FALSE(scores.ok()) << bad.why;
    EXPECT_EQ(scores.error().code, Error::Code::kBadInput) << bad.why;
    EXPECT_EQ(scores.error().where, bad.where) << bad.why;
  }
}

struct BadModel {
  const char* why;
  std::function<void(TinyCheckpoint&)> harm;
  Error::Code code;
  const char* words;  // somewhere in the message
};
class BadModels : public ::testing::TestWithParam<BadModel> {};
INSTANTIATE_TEST_SUITE_P(
    Table, BadModels,
    ::testing::Values(
        BadModel{"a tensor is missing",
                 [](TinyCheckpoint& c) { c.tensors.erase("bert.encoder.layer.1.output.dense.weight"); },
                 Error::Code::kNotFound, "bert.encoder.layer.1.output.dense.weight"},
        BadModel{"the head is missing",
                 [](TinyCheckpoint& c) { c.tensors.erase("classifier.weight"), c.tensors.erase("classifier.bias"); },
                 Error::Code::kNotFound, "the classification head is missing"},
        BadModel{"a tensor has another shape",
                 [](TinyCheckpoint& c) {
                   c.add("classifier.weight", {2, 24}, 1);
                 },
                 Error::Code::kCorrupt, "[2, 24], expected [1, 24]"},
        BadModel{"a tensor nobody reads", [](TinyCheckpoint& c) { c.add("bert.extra.weight", {2}, 1); },
                 Error::Code::kUnsupported, "bert.extra.weight"},
        BadModel{"an unknown architecture", [](TinyCheckpoint& c) { c.config["architectures"] = R"(["FooModel"])"; },
                 Error::Code::kUnsupported,
                 "the architecture FooModel is not supported (supported: XLMRobertaForSequenceClassification, "},
        BadModel{"no architecture", [](TinyCheckpoint& c) { c.config.erase("architectures"); }, Error::Code::kCorrupt,
                 "\"architectures\" is missing"},
        BadModel{"an unknown activation", [](TinyCheckpoint& c) { c.config["hidden_act"] = R"("swish9")"; },
                 Error::Code::kUnsupported, "\"swish9\", expected one of \"gelu\""},
        BadModel{"two labels", [](TinyCheckpoint& c) { c.config["id2label"] = R"({"0": "A", "1": "B"})"; },
                 Error::Code::kUnsupported, "2 labels, expected 1"},
        BadModel{"labels not stated: transformers' default is two",
                 [](TinyCheckpoint& c) { c.config.erase("id2label"); }, Error::Code::kUnsupported, "2 labels"},
        BadModel{"absurd hidden size", [](TinyCheckpoint& c) { c.config["hidden_size"] = "1152921504606846976"; },
                 Error::Code::kCorrupt, "config.json: hidden_size"},
        BadModel{"zero layers", [](TinyCheckpoint& c) { c.config["num_hidden_layers"].assign(1, '0'); },
                 Error::Code::kCorrupt, "num_hidden_layers"},
        BadModel{"more layers than tensors", [](TinyCheckpoint& c) { c.config["num_hidden_layers"] = "1000"; },
                 Error::Code::kNotFound, "layer.2."},
        BadModel{"heads that do not divide", [](TinyCheckpoint& c) { c.config["num_attention_heads"].assign(1, '5'); },
                 Error::Code::kCorrupt, "no multiple of"},
        BadModel{"a size that is a string", [](TinyCheckpoint& c) { c.config["hidden_size"] = R"("24")"; },
                 Error::Code::kCorrupt, "is a string, expected an integer"},
        BadModel{"relative positions",
                 [](TinyCheckpoint& c) { c.config["position_embedding_type"] = R"("relative_key")"; },
                 Error::Code::kUnsupported, "relative_key"},
        BadModel{"an epsilon of zero", [](TinyCheckpoint& c) { c.config["layer_norm_eps"] = "0.0"; },
                 Error::Code::kCorrupt, "layer_norm_eps"},
        BadModel{"config.json is no JSON", [](TinyCheckpoint& c) { c.config["a"].assign(1, '}'); },
                 Error::Code::kCorrupt, "config.json"},
        BadModel{"tokenizer.json is no JSON", [](TinyCheckpoint& c) { c.tokenizer_json.assign(1, '{'); },
                 Error::Code::kCorrupt, "tokenizer.json"}));
TEST_P(BadModels, AreRefusedWithWhatAndWhere) {
  TinyCheckpoint checkpoint = TinyCheckpoint::bert();
  GetParam().harm(checkpoint);
  const auto engine = load(checkpoint);
  ASSERT_FALSE(engine.ok()) << GetParam().why;
  EXPECT_EQ(engine.error().code, GetParam().code) << engine.error().message();
  EXPECT_NE(engine.error().message().find(GetParam().words), std::string::npos)
      << GetParam().why << ": " << engine.error().message();
}

// A vocabulary larger than the model's table: ids beyond it are an error, never a read outside the table.
TEST(Engine, ATokenOutsideTheTableIsAnErrorOfItsPair) {
  TinyCheckpoint checkpoint = TinyCheckpoint::bert();
  checkpoint.config["vocab_size"] = "20";
  checkpoint.add("bert.embeddings.word_embeddings.weight", {20, 24}, 1);
  const auto engine = load(checkpoint);
  ASSERT_TRUE(engine.ok()) << engine.error().message();
  const Pair pairs[] = {{"a", "b"}, {"a", "z"}};  // "z" is token 29
  const auto scores = engine.value().score_each(pairs, ScoreOptions{.max_length = 32});
  ASSERT_TRUE(scores.ok());
  EXPECT_TRUE(scores.value()[0].ok());
  ASSERT_FALSE(scores.value()[1].ok());
  EXPECT_NE(scores.value()[1].error().what.find("token id 29"), std::string::npos);
}

TEST(Engine, UnknownMethodsAndLevelsAreRefused) {
  EXPECT_EQ(load(TinyCheckpoint::bert(), {.method = "tarot"}).error().code, Error::Code::kBadInput);
  EXPECT_EQ(load(TinyCheckpoint::bert(), {.method = "yes-logit"}).error().code, Error::Code::kUnsupported);
  EXPECT_EQ(load(TinyCheckpoint::bert(), {.cpu_level = "mmx"}).error().code, Error::Code::kBadInput);
}

}  // namespace
}  // namespace rerank
