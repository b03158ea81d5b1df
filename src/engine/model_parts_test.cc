// What else a loaded model gives: its tokenizer, the lengths of pairs, text from the same weights, and text while it is
// being written.
#include <gtest/gtest.h>

#include "rerank/rerank.h"
#include "support/tiny_causal.h"

namespace rerank {
namespace {

using testing::TinyCausal;

template <class T>
T value_of(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().message());
  return std::move(result).value();
}

Engine load(const TinyCausal& checkpoint, const char* method) {
  testing::TinyModel::Folder folder;
  checkpoint.write(folder);
  return value_of(Engine::load(folder.path, {.dtype = Dtype::kF32, .method = method}));
}

const std::vector<std::string_view> kPrompts = {"Is it relevant?", "", "A giant panda eats bamboo. \xF0\x9F\x90\xBC",
                                                "one two three"};

std::vector<GeneratedText> write(const TextGenerator& generator, const GenerateOptions& options) {
  std::vector<GeneratedText> texts;
  for (auto& text : value_of(generator.generate({kPrompts.data() + 2, 2}, options)))
    texts.push_back(value_of(std::move(text)));
  return texts;
}

TEST(ModelParts, WritesWithTheWeightsThatScore) {
  testing::TinyModel::Folder folder;
  TinyCausal::qwen2(true).write(folder);
  const TextGenerator alone = value_of(TextGenerator::load(folder.path, {.dtype = Dtype::kF32}));
  const GenerateOptions options{.max_new_tokens = 12, .logprobs = 3};
  const auto expected = write(alone, options);
  for (const char* method : {"expectation", "reasoning"}) {
    auto engine = value_of(Engine::load(folder.path, {.dtype = Dtype::kF32, .method = method}));
    const TextGenerator shared = value_of(engine.generator());
    { const Engine gone = std::move(engine); }
    const auto texts = write(shared, options);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(texts[i].text, expected[i].text);
      EXPECT_EQ(texts[i].token_ids, expected[i].token_ids);
      EXPECT_EQ(texts[i].logprobs[0][0].log_probability, expected[i].logprobs[0][0].log_probability);
    }
  }
  const auto none = load(TinyCausal::gemma(), "yes-logit").generator();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Error::Code::kUnsupported);
}

TEST(ModelParts, TellsTextWhileItIsWritten) {
  for (const bool tied : {true, false}) {
    const Engine engine = load(TinyCausal::qwen2(tied), "reasoning");
    const TextGenerator generator = value_of(engine.generator());
    GenerateOptions options{.max_new_tokens = 60, .logprobs = 2};
    options.token_texts = true;
    const auto plain = write(generator, options);
    // A stop string out of the middle of what it writes.
    const std::string& text = plain[0].text;
    std::size_t begin = text.size() / 2;
    while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
    std::size_t end = std::min(begin + 6, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    for (const bool with_stop : {false, true})
      for (const bool skip : {false, true}) {
        options.stop.clear();
        if (with_stop) options.stop.push_back(text.substr(begin, end - begin));
        options.skip_special_tokens = skip;
        std::vector<TextDelta> told(2);
        std::size_t calls = 0;
        options.on_text = [&](std::size_t i, const TextDelta& delta) {
          ++calls;
          told[i].text += delta.text;
          told[i].token_ids.insert(told[i].token_ids.end(), delta.token_ids.begin(), delta.token_ids.end());
          told[i].token_texts.insert(told[i].token_texts.end(), delta.token_texts.begin(), delta.token_texts.end());
          EXPECT_EQ(delta.logprobs.size(), delta.token_ids.size());
          return true;
        };
        const auto texts = write(generator, options);
        options.on_text = {};
        EXPECT_GT(calls, 2u);  // more than the ends of both
        for (std::size_t i = 0; i < 2; ++i) {
          EXPECT_EQ(told[i].text, texts[i].text);
          EXPECT_EQ(told[i].token_ids, texts[i].token_ids);
          EXPECT_EQ(told[i].token_texts, texts[i].token_texts);
          EXPECT_EQ(texts[i].text, write(generator, options)[i].text);
        }
        if (with_stop) {
          EXPECT_TRUE(texts[0].stopped);
        }
        EXPECT_EQ(texts[0].logprobs[0][0].text, texts[0].token_texts[0]);
      }
    // Whoever has heard enough ends it.
    options.stop.clear();
    options.on_text = [&](std::size_t, const TextDelta&) { return false; };
    const auto cut_short = value_of(generator.generate({kPrompts.data() + 2, 2}, options));
    EXPECT_FALSE(cut_short[0].ok());
  }
}

TEST(ModelParts, TellsReasoningWhileItIsWritten) {
  const Engine engine = load(TinyCausal::qwen2(false), "reasoning");
  const std::vector<Pair> pairs = {{"what?", "that"}, {"who?", "nobody at all"}};
  ScoreOptions options;
  options.max_new_tokens = 30;
  const auto silent = value_of(engine.score(pairs, options));
  std::vector<std::string> told(pairs.size());
  options.on_reasoning = [&](std::size_t i, std::string_view text) {
    told[i] += text;
    return true;
  };
  const auto scores = value_of(engine.score(pairs, options));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_EQ(told[i], scores[i].reasoning);
    EXPECT_EQ(scores[i].value, silent[i].value);
  }
}

TEST(ModelParts, MeasuresWhatScoringWouldSay) {
  const std::string long_text =
      "a long passage that goes on and on and on and on and on until nobody reads any more of it";
  const std::vector<Pair> pairs = {{"query", ""}, {"query", "passage"}, {"another query", long_text}};
  const auto check = [&](const Engine& engine, const ScoreOptions& options) {
    const auto scores = value_of(engine.score(pairs, options));
    const auto lengths = value_of(engine.measure(pairs, options));
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      EXPECT_EQ(value_of(lengths[i]).tokens, scores[i].tokens);
      EXPECT_EQ(value_of(lengths[i]).cut_tokens, scores[i].cut_tokens);
    }
    EXPECT_GT(scores[2].cut_tokens, 0u);
  };
  ScoreOptions options;
  options.max_length = 20;
  check(value_of(Engine::load_embedded({.dtype = Dtype::kF32})), options);
  check(load(TinyCausal::gemma(), "yes-logit"), options);
  const Engine reasoning = load(TinyCausal::qwen2(true), "reasoning");
  const auto whole = value_of(reasoning.measure(pairs, {}));
  options.max_new_tokens = 0;
  options.max_length = static_cast<int>(value_of(whole[2]).tokens) - 4;
  check(reasoning, options);
  const std::vector<Pair> bad = {{"query", "\xFF"}, {"query", "passage"}};
  const auto lengths = value_of(reasoning.measure(bad, {}));
  EXPECT_FALSE(lengths[0].ok());
  EXPECT_TRUE(lengths[1].ok());
  EXPECT_FALSE(reasoning.measure(bad, {.max_length = -1}).ok());
}

TEST(ModelParts, TokenizerSaysWhatEachTokenIs) {
  const auto engine = value_of(Engine::load_embedded());
  const ModelTokenizer tokenizer = engine.tokenizer();
  const std::string text = "Giant pandas \xC3\xA9t\xC3\xA9";
  const auto tokens = value_of(tokenizer.tokens(text, true));
  ASSERT_GT(tokens.size(), 3u);
  EXPECT_EQ(tokens.front().text, "[CLS]");
  EXPECT_TRUE(tokens.front().special);
  EXPECT_TRUE(tokens.back().special);
  EXPECT_FALSE(tokens[1].special);
  EXPECT_EQ(text.substr(tokens[1].begin, tokens[1].end - tokens[1].begin), "Giant");
  EXPECT_EQ(tokens[tokens.size() - 2].end, text.size());
  std::vector<std::int32_t> ids;
  for (const Token& token : tokens) ids.push_back(token.id);
  EXPECT_EQ(ids, value_of(value_of(ModelTokenizer::load_embedded()).encode(text, std::nullopt, true)).ids);
  EXPECT_EQ(tokenizer.decode(ids, true), "giant pandas ete");
  EXPECT_EQ(value_of(tokenizer.tokens(text, false)).size(), tokens.size() - 2);
  EXPECT_FALSE(tokenizer.tokens("\xFF", true).ok());
}

TEST(ModelParts, WritesConversationsInTheCheckpointsOwnForm) {
  const Engine engine = load(TinyCausal::qwen2(true), "expectation");
  const TextGenerator generator = value_of(engine.generator());
  const std::vector<ChatMessage> messages = {{"system", "Be brief."}, {"user", "Hello"}};
  EXPECT_EQ(value_of(generator.chat_prompt(messages)),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
  const TextGenerator without = value_of(load(TinyCausal::llama(), "reasoning").generator());
  ASSERT_FALSE(without.chat_prompt(messages).ok());
  EXPECT_EQ(without.chat_prompt(messages).error().code, Error::Code::kNotFound);
}

}  // namespace
}  // namespace rerank
