// The self-made LLM rerankers are what they claim to be: they open, and their tokenizers give the tokens that scores
// are read from.
#include "support/tiny_causal.h"

#include <gtest/gtest.h>

#include "io/checkpoint.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace rerank::testing {
namespace {

struct Case {
  const char* name;
  TinyCausal (*make)();
  bool has_bos;
};
const Case kCases[] = {{"gemma", TinyCausal::gemma, true},
                       {"minicpm", TinyCausal::minicpm, true},
                       {"gemma2", TinyCausal::gemma2, true},
                       {"qwen2, tied", [] { return TinyCausal::qwen2(true); }, false},
                       {"qwen2, untied", [] { return TinyCausal::qwen2(false); }, false},
                       {"llama", TinyCausal::llama, true},
                       {"mistral", TinyCausal::mistral, true}};

struct Opened {
  TinyModel::Folder folder;
  std::unique_ptr<io::Checkpoint> checkpoint;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;

  explicit Opened(const TinyCausal& model) {
    model.write(folder);
    auto opened = io::Checkpoint::open(folder.path);
    if (!opened.ok()) throw std::runtime_error(opened.error().message());
    checkpoint = std::make_unique<io::Checkpoint>(std::move(opened).value());
    auto parsed = tokenizer::Tokenizer::parse(checkpoint->tokenizer_json().value(), "tokenizer.json");
    if (!parsed.ok()) throw std::runtime_error(parsed.error().message());
    tokenizer = std::make_unique<tokenizer::Tokenizer>(std::move(parsed).value());
  }
  std::vector<std::int32_t> ids(std::string_view text) const {
    auto encoded = tokenizer->encode_ids(text);
    EXPECT_TRUE(encoded.ok()) << encoded.error().message();
    return encoded.value();
  }
};

TEST(TinyCausal, OpensWithTheTensorsItsConfigurationNames) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Opened opened(c.make());
    const io::Json& config = opened.checkpoint->config();
    const auto size = [&](const char* key) {
      return static_cast<std::size_t>(config.get(key).value().integer().value());
    };
    EXPECT_TRUE(opened.checkpoint->weights()
                    .tensor("model.embed_tokens.weight", {size("vocab_size"), size("hidden_size")})
                    .ok());
    EXPECT_TRUE(opened.checkpoint->weights()
                    .tensor(fmt::format("model.layers.{}.mlp.down_proj.weight", size("num_hidden_layers") - 1),
                            {size("hidden_size"), size("intermediate_size")})
                    .ok());
    EXPECT_GE(size("vocab_size"), opened.tokenizer->vocab_size());
    EXPECT_LT(opened.checkpoint->store().total_bytes(), 400'000u);
    ASSERT_TRUE(opened.checkpoint->tokenizer_config_json().ok());
    EXPECT_TRUE(
        io::JsonDocument::parse(opened.checkpoint->tokenizer_config_json().value(), "tokenizer_config.json").ok());
  }
}

TEST(TinyCausal, EveryCharacterIsATokenAndComesBack) {
  std::string text;
  for (char c = ' '; c <= '~'; ++c) text += c;
  text += '\n';
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Opened opened(c.make());
    const std::vector<std::int32_t> ids = opened.ids(text);
    // MiniCPM's has the "▁" that each text begins with.
    EXPECT_EQ(ids.size(), text.size() + (std::string_view(c.name) == "minicpm" ? 1 : 0));
    EXPECT_EQ(opened.tokenizer->decode(ids, false), text);
  }
}

TEST(TinyCausal, BeginningOfTextIsThePostProcessors) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Opened opened(c.make());
    const auto encoded = opened.tokenizer->encode("a");
    ASSERT_TRUE(encoded.ok());
    const std::int64_t bos = opened.checkpoint->config().get("bos_token_id").value().integer().value();
    EXPECT_EQ(encoded.value().ids.front() == bos, c.has_bos);
  }
}

TEST(TinyCausal, WordsThatScoresAreReadFromAreOneToken) {
  for (const TinyCausal& model : {TinyCausal::qwen2(true), TinyCausal::llama(), TinyCausal::mistral()}) {
    const Opened opened(model);
    for (const char* word : {"1", "2", "3", "4", "5", "6", "7", "Yes", " true", " false", ">\n"})
      EXPECT_EQ(opened.ids(word).size(), 1u) << word;
    EXPECT_EQ(opened.ids("</think> true").back(), opened.ids(" true").front());
  }
  EXPECT_EQ(Opened(TinyCausal::gemma()).ids("Yes").size(), 1u);
  EXPECT_EQ(Opened(TinyCausal::minicpm()).ids("\n").size(), 2u);  // "▁", "<0x0A>"
}

TEST(TinyCausal, TheChatTemplateMarksRoles) {
  const Opened opened(TinyCausal::qwen2(true));
  const auto config =
      io::JsonDocument::parse(opened.checkpoint->tokenizer_config_json().value(), "tokenizer_config.json");
  ASSERT_TRUE(config.ok()) << config.error().message();
  const auto source = config.value().root().string_at("chat_template");
  ASSERT_TRUE(source.ok());
  const auto chat = tokenizer::ChatTemplate::parse(source.value(), "chat_template");
  ASSERT_TRUE(chat.ok()) << chat.error().message();
  const std::vector<tokenizer::ChatMessage> messages = {{"system", "S"}, {"user", "U"}};
  const auto text = chat.value().render(messages);
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_EQ(text.value(), "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
  const auto alone = chat.value().render(std::span(messages).subspan(1));
  ASSERT_TRUE(alone.ok());
  EXPECT_TRUE(alone.value().starts_with("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"))
      << alone.value();
  EXPECT_EQ(opened.ids(text.value()).front(), opened.tokenizer->token_to_id("<|im_start|>"));
}

}  // namespace
}  // namespace rerank::testing
