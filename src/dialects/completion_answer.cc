#include "dialects/completion_answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <mutex>

#include "base/utf8.h"
#include "dialects/refusal.h"
#include "dialects/requests.h"
#include "io/json_text.h"

namespace rerank::dialects {
namespace {

using io::json_number;
using io::json_string;

// The tokens of one text, or of a piece of it.
struct Steps {
  const std::vector<std::int32_t>& ids;
  const std::vector<std::string>& texts;
  const std::vector<std::vector<TokenProbability>>& likeliest;
};

// Greedy: the token that was taken is the likeliest.
double taken_logprob(const std::vector<TokenProbability>& likeliest) {
  return likeliest.front().log_probability;
}

std::string bytes_json(std::string_view text) {
  std::vector<int> bytes;
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return fmt::format("[{}]", fmt::join(bytes, ","));
}

std::string chat_token(std::string_view text, double logprob) {
  return fmt::format(R"("token":{},"logprob":{},"bytes":{})", json_string(text), json_number(logprob, false),
                     bytes_json(text));
}

std::string chat_logprobs(const CompletionQuestion& question, const Steps& steps) {
  std::vector<std::string> content;
  for (std::size_t i = 0; i < steps.ids.size(); ++i) {
    std::vector<std::string> top;
    for (int k = 0; k < question.top_logprobs && k < static_cast<int>(steps.likeliest[i].size()); ++k) {
      const TokenProbability& token = steps.likeliest[i][static_cast<std::size_t>(k)];
      top.push_back(fmt::format("{{{}}}", chat_token(token.text, token.log_probability)));
    }
    content.push_back(fmt::format(R"({{{},"top_logprobs":[{}]}})",
                                  chat_token(steps.texts[i], taken_logprob(steps.likeliest[i])), fmt::join(top, ",")));
  }
  return fmt::format(R"({{"content":[{}]}})", fmt::join(content, ","));
}

// `offset`: where the first token's text begins, in characters.
std::string text_logprobs(const CompletionQuestion& question, const Steps& steps, std::size_t offset) {
  std::vector<std::string> tokens, logprobs, tops;
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < steps.ids.size(); ++i) {
    tokens.push_back(json_string(steps.texts[i]));
    logprobs.push_back(json_number(taken_logprob(steps.likeliest[i]), false));
    std::vector<std::string> top;
    std::vector<std::string_view> names;  // several tokens may have the same text; the likeliest one counts
    for (int k = 0; k < question.top_logprobs && k < static_cast<int>(steps.likeliest[i].size()); ++k) {
      const TokenProbability& token = steps.likeliest[i][static_cast<std::size_t>(k)];
      if (std::find(names.begin(), names.end(), token.text) != names.end()) continue;
      names.push_back(token.text);
      top.push_back(json_string(token.text) + ":" + json_number(token.log_probability, false));
    }
    tops.push_back(fmt::format("{{{}}}", fmt::join(top, ",")));
    offsets.push_back(offset);
    offset += count_code_points(steps.texts[i]);
  }
  const std::string top_list = question.top_logprobs > 0 ? fmt::format("[{}]", fmt::join(tops, ",")) : "null";
  return fmt::format(R"({{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":{},"text_offset":[{}]}})",
                     fmt::join(tokens, ","), fmt::join(logprobs, ","), top_list, fmt::join(offsets, ","));
}

std::string logprobs_json(const CompletionQuestion& question, const Steps& steps, std::size_t offset) {
  if (!question.with_logprobs) return "null";
  return question.is_chat ? chat_logprobs(question, steps) : text_logprobs(question, steps, offset);
}

const char* finish_of(const GeneratedText& text) {
  return text.stopped ? "stop" : "length";
}

std::string usage_json(std::uint64_t prompt_tokens, std::uint64_t new_tokens) {
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", prompt_tokens, new_tokens,
                     prompt_tokens + new_tokens);
}

std::string head_of(const CompletionQuestion& question, bool is_event) {
  const char* object = !question.is_chat ? "text_completion" : is_event ? "chat.completion.chunk" : "chat.completion";
  return fmt::format(R"("id":{},"object":"{}","created":{},"model":{})", json_string(question.id), object,
                     question.unix_time, json_string(question.model_name));
}

std::string echo_of(const CompletionQuestion& question, std::size_t prompt_idx) {
  return prompt_idx < question.echoed.size() ? question.echoed[prompt_idx] : std::string();
}

// An event with one choice. `finish`: in JSON.
std::string choice_event(const CompletionQuestion& question, std::size_t index, const std::string& content,
                         const std::string& logprobs, const std::string& finish) {
  return fmt::format("data: {{{},\"choices\":[{{\"index\":{},{},\"logprobs\":{},\"finish_reason\":{}}}]}}\n\n",
                     head_of(question, true), index, content, logprobs, finish);
}

// A stream remembers how far it has come.
class Stream {
 public:
  explicit Stream(std::shared_ptr<const CompletionQuestion> question) : question_(std::move(question)) {}

  std::string next(std::size_t prompt_idx, const TextDelta& delta) {
    const std::lock_guard lock(mutex_);
    std::string text = delta.text, start;
    if (question_->is_chat) {
      start = begin(prompt_idx);
    } else if (started_.size() <= prompt_idx || !started_[prompt_idx]) {
      begin(prompt_idx);
      text = echo_of(*question_, prompt_idx) + text;
    }
    const Steps steps{delta.token_ids, delta.token_texts, delta.logprobs};
    const std::string logprobs = logprobs_json(*question_, steps, offsets_[prompt_idx]);
    for (const std::string& token : delta.token_texts) offsets_[prompt_idx] += count_code_points(token);
    const std::string content = question_->is_chat ? fmt::format(R"("delta":{{"content":{}}})", json_string(text))
                                                   : fmt::format(R"("text":{})", json_string(text));
    return start + choice_event(*question_, prompt_idx, content, logprobs, "null");
  }

  std::string done(std::size_t prompt_idx, const Result<GeneratedText>& text) {
    const std::lock_guard lock(mutex_);
    if (!text.ok()) return failed_event(failure_of(text.error()));
    prompt_tokens_ += text.value().prompt_tokens;
    new_tokens_ += text.value().token_ids.size();
    const bool is_new = started_.size() <= prompt_idx || !started_[prompt_idx];
    const std::string start = begin(prompt_idx);
    const std::string rest = is_new ? echo_of(*question_, prompt_idx) : std::string();
    const std::string content =
        question_->is_chat ? std::string(R"("delta":{})") : fmt::format(R"("text":{})", json_string(rest));
    return (question_->is_chat ? start : "") +
           choice_event(*question_, prompt_idx, content, "null", fmt::format("\"{}\"", finish_of(text.value())));
  }

  std::string last() {
    const std::lock_guard lock(mutex_);
    std::string usage;
    if (question_->include_usage)
      usage = fmt::format("data: {{{},\"choices\":[],\"usage\":{}}}\n\n", head_of(*question_, true),
                          usage_json(prompt_tokens_, new_tokens_));
    return usage + "data: [DONE]\n\n";
  }

 private:
  // Who speaks, once.
  std::string begin(std::size_t prompt_idx) {
    if (started_.size() <= prompt_idx) {
      started_.resize(prompt_idx + 1);
      offsets_.resize(prompt_idx + 1);
    }
    if (started_[prompt_idx]) return "";
    started_[prompt_idx] = true;
    offsets_[prompt_idx] = count_code_points(echo_of(*question_, prompt_idx));
    return choice_event(*question_, prompt_idx, R"("delta":{"role":"assistant","content":""})", "null", "null");
  }

  std::shared_ptr<const CompletionQuestion> question_;
  std::mutex mutex_;
  std::vector<bool> started_;         // [prompts]
  std::vector<std::size_t> offsets_;  // [prompts], characters
  std::uint64_t prompt_tokens_ = 0, new_tokens_ = 0;
};

}  // namespace

HttpResponse answer_completion(const CompletionQuestion& question, std::span<const Result<GeneratedText>> texts) {
  std::vector<std::string> choices;
  std::uint64_t prompt_tokens = 0, new_tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i].ok()) return refuse(Dialect::kOpenAi, question.request, failure_of(texts[i].error()));
    const GeneratedText& text = texts[i].value();
    prompt_tokens += text.prompt_tokens;
    new_tokens += text.token_ids.size();
    const std::string echo = echo_of(question, i);
    const std::string content =
        question.is_chat ? fmt::format(R"("message":{{"role":"assistant","content":{}}})", json_string(text.text))
                         : fmt::format(R"("text":{})", json_string(echo + text.text));
    const std::string logprobs =
        logprobs_json(question, {text.token_ids, text.token_texts, text.logprobs}, count_code_points(echo));
    choices.push_back(
        fmt::format(R"({{"index":{},{},"logprobs":{},"finish_reason":"{}"}})", i, content, logprobs, finish_of(text)));
  }
  return json_response(fmt::format(R"({{{},"choices":[{}],"usage":{}}})", head_of(question, false),
                                   fmt::join(choices, ","), usage_json(prompt_tokens, new_tokens)));
}

GenerateEvents completion_events(std::shared_ptr<const CompletionQuestion> question) {
  const auto stream = std::make_shared<Stream>(std::move(question));
  GenerateEvents events;
  events.next = [stream](std::size_t prompt_idx, const TextDelta& delta) { return stream->next(prompt_idx, delta); };
  events.done = [stream](std::size_t prompt_idx, const Result<GeneratedText>& text) {
    return stream->done(prompt_idx, text);
  };
  events.last = [stream] { return stream->last(); };
  events.failed = failed_event;
  return events;
}

}  // namespace rerank::dialects
