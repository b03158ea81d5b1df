// Text generation: what a reasoning reranker is made of, for anybody who wants to look at it.
//
//   auto generator = rerank::TextGenerator::load("rank1-7b");
//   if (!generator.ok()) { std::cerr << generator.error().message(); return 2; }
//   auto texts = generator.value().generate(prompts, {.max_new_tokens = 100});
//
// The text that follows a prompt depends on that prompt, the model, the dtype and the machine's CPU level, and on
// nothing else, like the score of a pair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rerank/engine.h"
#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank {

struct TokenProbability {
  std::int32_t token = 0;
  double log_probability = 0;  // natural, from the softmax over the whole vocabulary
  std::string text = {};       // with GenerateOptions::token_texts: what it decodes to alone
};

struct GeneratedText {
  std::string text;                     // of the new tokens, without the stop string and what follows it
  std::vector<std::int32_t> token_ids;  // the new tokens, those of the stop string included
  std::vector<std::vector<TokenProbability>>
      logprobs;                               // [new tokens][logprobs asked for]: the likeliest there, best first
  std::vector<std::string> token_texts = {};  // [new tokens], with GenerateOptions::token_texts
  std::uint32_t prompt_tokens = 0;            // those of the tokenizer's template included
  bool stopped = false;                       // a stop string or the end of the text came before the limit
};

// What came since the last one, told while a text is written: whole characters, nothing that may yet turn out to be a
// stop string. Together the texts are GeneratedText::text.
struct TextDelta {
  std::string text;
  std::vector<std::int32_t> token_ids;
  std::vector<std::vector<TokenProbability>> logprobs;  // [token_ids][logprobs asked for]
  std::vector<std::string> token_texts = {};            // as in GeneratedText
};

// One turn of a conversation.
struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct GenerateOptions {
  int max_new_tokens = 256;  // fewer where the model's positions end
  int logprobs = 0;          // how many of the likeliest tokens of each step are told
  std::vector<std::string> stop = {};
  bool special_tokens_in_text = true;  // as in ScoreOptions
  bool special_tokens = true;          // what the tokenizer's template adds; a chat template has written it already
  bool skip_special_tokens = false;    // control tokens that the model writes are left out of the text
  bool token_texts = false;            // the text of every token that is told
  // Called as each prompt is done, from one thread at a time. False ends the call soon; prompts that are not done are
  // errors then.
  std::function<bool(std::size_t prompt_idx, const Result<GeneratedText>& text)> on_done = {};
  // Called while texts are written, from one thread at a time, before on_done of the same prompt. False as above.
  std::function<bool(std::size_t prompt_idx, const TextDelta& delta)> on_text = {};
  // Called after each pass through the model, with the tokens that the call has written so far. False as above.
  std::function<bool(std::uint64_t new_tokens)> on_tokens = {};
};

// Greedy generation with any causal language model whose architecture runs here, whatever it was published for. Safe to
// call from many threads at once.
class TextGenerator {
 public:
  // `folder` as for Engine::load. Of the options `method`, `last_layer` and `answer` play no part. kUnsupported for a
  // model without a vocabulary to choose from, such as a cross-encoder.
  static Result<TextGenerator> load(const std::filesystem::path& folder, const EngineOptions& options = {});

  // One Result a prompt, in the order given. A prompt is raw text; the tokenizer adds what its tokenizer.json says, and
  // no chat template is applied. kBadInput for one that is not UTF-8, empty, or longer than the model's positions. The
  // outer error is for options that fit no prompt.
  Result<std::vector<Result<GeneratedText>>> generate(std::span<const std::string_view> prompts,
                                                      const GenerateOptions& options = {}) const;
  // The conversation as the checkpoint's chat template writes it, up to where the assistant speaks; to be generated
  // from without special_tokens. kNotFound without a template, kUnsupported for one that cannot run here, kBadInput
  // where it refuses the conversation.
  Result<std::string> chat_prompt(std::span<const ChatMessage> messages) const;
  ModelTokenizer tokenizer() const;
  // What the user should know of loading, a sentence each: a weight cache that was damaged, or could not be written.
  // None for one of Engine::generator(): the engine has told it.
  std::vector<std::string> remarks() const;

  TextGenerator(TextGenerator&&) noexcept;
  TextGenerator& operator=(TextGenerator&&) noexcept;
  ~TextGenerator();

 private:
  friend class Engine;
  struct Impl;
  explicit TextGenerator(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace rerank
