// OpenAI's /v1/completions and /v1/chat/completions.
#include <fmt/format.h>

#include "base/try.h"
#include "dialects/choose_model.h"
#include "dialects/completion_answer.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "dialects/score_options.h"

namespace rerank::dialects {
namespace {

constexpr int kMostTopLogprobs = 20;
constexpr int kMostNewTokens = 1 << 20;
constexpr std::size_t kMostStops = 64;
constexpr std::size_t kMostPrompts = 2048;

Error refused(std::string what, const char* fix) {
  return {Error::Code::kBadInput, std::move(what), "request", fix};
}

// What would change the answer beyond recognition cannot be left aside. Sampling can: scores are read from greedy text.
Status check_wishes(const Body& body) {
  for (const char* key : {"n", "best_of"}) {
    RERANK_ASSIGN(const auto number, body.integer(key, 1));
    if (number.value_or(1) > 1) return refused(fmt::format("{} above 1 is not supported", key), "ask for one answer");
  }
  for (const char* key : {"tools", "functions", "logit_bias"}) {
    const auto value = body.find(key);
    if (!value) continue;
    const bool is_empty = (value->is_array() && value->array().value().size() == 0) ||
                          (value->is_object() && value->object().value().size() == 0);
    if (!is_empty) return refused(fmt::format("{} is not supported", key), "leave it out");
  }
  return {};
}

Result<CompletionSettings> read_settings(const Body& body) {
  RERANK_TRY(check_wishes(body));
  CompletionSettings settings;
  settings.options.token_texts = true;
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    RERANK_ASSIGN(const auto tokens, body.integer(key, 0, kMostNewTokens));
    if (tokens) settings.options.max_new_tokens = static_cast<int>(*tokens);
  }
  RERANK_ASSIGN(auto stops, body.texts("stop"));
  if (stops) {
    if (stops->size() > kMostStops)
      return refused(fmt::format("stop has {} texts, at most {} are allowed", stops->size(), kMostStops), "");
    settings.options.stop = std::move(*stops);
  }
  RERANK_ASSIGN(const auto skip, body.flag("skip_special_tokens"));
  settings.options.skip_special_tokens = skip.value_or(true);
  RERANK_ASSIGN(const auto stream, body.flag("stream"));
  settings.stream = stream.value_or(false);
  if (const auto options = body.find("stream_options")) {
    if (!options->is_object()) return options->expected("an object");
    RERANK_ASSIGN(settings.include_usage, options->boolean_or("include_usage", false));
  }
  RERANK_ASSIGN(settings.timeout, read_timeout(body));
  return settings;
}

Job make_job(const Asked& asked, const ChosenModel& model, CompletionSettings settings, CompletionQuestion question) {
  GenerateJob job;
  job.model = model.index;
  job.options = std::move(settings.options);
  if (settings.with_logprobs) job.options.logprobs = std::max(settings.top_logprobs, 1);
  job.timeout = settings.timeout;
  question.id = (question.is_chat ? "chatcmpl-" : "cmpl-") + asked.request.id;
  question.model_name = model.name;
  question.unix_time = asked.request.unix_time;
  question.with_logprobs = settings.with_logprobs;
  question.top_logprobs = settings.top_logprobs;
  question.include_usage = settings.include_usage;
  question.request.path = asked.request.path;
  const auto shared = std::make_shared<const CompletionQuestion>(std::move(question));
  job.answer = [shared](std::span<const Result<GeneratedText>> texts) { return answer_completion(*shared, texts); };
  if (settings.stream) job.events = completion_events(shared);
  return job;
}

Result<CompletionSettings> read_text_settings(const Body& body) {
  RERANK_ASSIGN(CompletionSettings settings, read_settings(body));
  if (!body.find("max_tokens") && !body.find("max_completion_tokens")) settings.options.max_new_tokens = 16;
  RERANK_ASSIGN(const auto logprobs, body.integer("logprobs", 0, kMostTopLogprobs));
  settings.with_logprobs = logprobs.has_value();
  settings.top_logprobs = static_cast<int>(logprobs.value_or(0));
  return settings;
}

Result<CompletionSettings> read_chat_settings(const Body& body) {
  RERANK_ASSIGN(CompletionSettings settings, read_settings(body));
  RERANK_ASSIGN(const auto logprobs, body.flag("logprobs"));
  RERANK_ASSIGN(const auto top, body.integer("top_logprobs", 0, kMostTopLogprobs));
  settings.with_logprobs = logprobs.value_or(false);
  if (top.value_or(0) > 0 && !settings.with_logprobs)
    return refused("top_logprobs is only told with logprobs", "say \"logprobs\": true");
  settings.top_logprobs = static_cast<int>(top.value_or(0));
  settings.options.special_tokens = false;  // the template writes them
  return settings;
}

// A text, or parts that are texts.
Result<std::string> read_content(const io::Json& message) {
  const auto content = message.find("content");
  if (!content) return std::string();
  if (content->is_string()) return std::string(content->string().value());
  if (!content->is_array()) return content->expected("a text or a list of parts");
  std::string text;
  std::size_t i = 0;
  const simdjson::dom::array entries = content->array().value();
  for (const simdjson::dom::element element : entries) {
    const io::Json part = content->item(element, i++);
    RERANK_ASSIGN(const std::string_view piece, part.string_at("text"));
    text += piece;
  }
  return text;
}

Result<std::vector<ChatMessage>> read_messages(const Body& body) {
  RERANK_ASSIGN(const io::Json list, body.root().get("messages"));
  RERANK_ASSIGN(const auto array, list.array());
  std::vector<ChatMessage> messages;
  std::size_t i = 0;
  for (const simdjson::dom::element element : array) {
    const io::Json message = list.item(element, i++);
    if (!message.is_object()) return message.expected("an object with role and content");
    RERANK_ASSIGN(const std::string_view role, message.string_at("role"));
    if (role != "system" && role != "user" && role != "assistant" && role != "developer")
      return message.error(Error::Code::kBadInput, fmt::format("the role \"{}\" is not known", role),
                           "use system, user or assistant");
    RERANK_ASSIGN(std::string content, read_content(message));
    messages.push_back({role == "developer" ? "system" : std::string(role), std::move(content)});
  }
  if (messages.empty()) return list.expected("at least one message");
  return messages;
}

}  // namespace

Job read_completion(const Asked& asked) {
  const auto model = choose_model(asked.body, asked.catalog, true);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto settings = read_text_settings(asked.body);
  if (!settings.ok()) return asked.refuse(settings.error());
  auto prompts = asked.body.texts("prompt");
  if (!prompts.ok()) return asked.refuse(prompts.error());
  if (!prompts.value() || prompts.value()->empty())
    return asked.refuse(invalid("the key \"prompt\" is missing: it holds a text or a list of texts"));
  if (prompts.value()->size() > kMostPrompts)
    return asked.refuse(
        invalid(fmt::format("prompt has {} texts, at most {} are allowed", prompts.value()->size(), kMostPrompts)));
  const auto echo = asked.body.flag("echo");
  if (!echo.ok()) return asked.refuse(echo.error());

  CompletionQuestion question;
  if (echo.value().value_or(false)) question.echoed = *prompts.value();
  Job made = make_job(asked, std::get<ChosenModel>(model), std::move(settings).value(), std::move(question));
  auto& job = std::get<GenerateJob>(made);
  for (std::string& prompt : *prompts.value()) job.prompts.emplace_back(std::move(prompt));
  return made;
}

Job read_chat(const Asked& asked) {
  const auto model = choose_model(asked.body, asked.catalog, true);
  if (const auto* failure = std::get_if<Failure>(&model)) return asked.refuse(*failure);
  auto settings = read_chat_settings(asked.body);
  if (!settings.ok()) return asked.refuse(settings.error());
  auto messages = read_messages(asked.body);
  if (!messages.ok()) return asked.refuse(messages.error());

  CompletionQuestion question;
  question.is_chat = true;
  Job made = make_job(asked, std::get<ChosenModel>(model), std::move(settings).value(), std::move(question));
  std::get<GenerateJob>(made).prompts.emplace_back(std::move(messages).value());
  return made;
}

}  // namespace rerank::dialects
