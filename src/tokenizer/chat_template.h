// Chat templates: the small part of Jinja that checkpoints write their prompts in, run strictly.
//
// What transformers' apply_chat_template gives, including its settings (trim_blocks, lstrip_blocks) and its two
// functions raise_exception() and strftime_now(). Source: Jinja's template designer documentation; transformers'
// utils/chat_template_utils.py. Anything else is an error that shows the construct: nothing is skipped in silence.
#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rerank/error.h"

namespace rerank::tokenizer {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct ChatOptions {
  bool add_generation_prompt = true;
  std::string bos_token = {}, eos_token = {};  // as the checkpoint spells them
  std::optional<std::time_t> now = {};         // what strftime_now() reads; the clock if absent
};

// Immutable after parsing, safe to share between threads.
class ChatTemplate {
 public:
  // `name` stands for the template in errors. kCorrupt for text that is not a template, kUnsupported for statements
  // that are not known here; unknown filters, tests and functions are errors only where they are reached.
  static Result<ChatTemplate> parse(std::string_view source, std::string name);

  // kBadInput where the template refuses the messages (raise_exception) or asks for what is not there.
  Result<std::string> render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace rerank::tokenizer
