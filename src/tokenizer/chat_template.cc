#include "tokenizer/chat_template.h"

#include <fmt/format.h>

#include "base/try.h"
#include "base/utf8.h"
#include "tokenizer/jinja_render.h"
#include "tokenizer/jinja_syntax.h"

namespace rerank::tokenizer {

struct ChatTemplate::State {
  std::string name;
  std::vector<jinja::Statement> statements;
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string name) {
  if (const std::size_t bad = first_invalid_utf8(source); bad != std::string_view::npos)
    return Error{Error::Code::kCorrupt, fmt::format("is not valid UTF-8 at byte {}", bad), std::move(name), ""};
  auto state = std::make_shared<State>();
  RERANK_ASSIGN(state->statements, jinja::parse(source, name));
  state->name = std::move(name);
  ChatTemplate made;
  made.state_ = std::move(state);
  return made;
}

Result<std::string> ChatTemplate::render(std::span<const ChatMessage> messages, const ChatOptions& options) const {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::size_t bad = first_invalid_utf8(messages[i].content);
    if (bad != std::string_view::npos)
      return Error{Error::Code::kBadInput, fmt::format("is not valid UTF-8 at byte {}", bad),
                   fmt::format("message {}", i), ""};
  }
  using namespace jinja;
  auto list = std::make_shared<List>();
  for (const ChatMessage& message : messages)
    list->push_back(Value{
        std::make_shared<Map>(Map{{"role", text_value(message.role)}, {"content", text_value(message.content)}})});
  // transformers passes tools and documents as None.
  return jinja::render(state_->statements,
                       {{"messages", Value{std::move(list)}},
                        {"add_generation_prompt", Value{options.add_generation_prompt}},
                        {"bos_token", text_value(options.bos_token)},
                        {"eos_token", text_value(options.eos_token)},
                        {"tools", Value{None{}}},
                        {"documents", Value{None{}}}},
                       options, state_->name);
}

}  // namespace rerank::tokenizer
