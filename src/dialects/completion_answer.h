// Written text in OpenAI's words, whole or as a stream.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dialects/job.h"

namespace rerank::dialects {

struct CompletionQuestion {
  bool is_chat = false;
  std::string id;  // "cmpl-..." or "chatcmpl-..."
  std::string model_name;
  std::int64_t unix_time = 0;
  bool with_logprobs = false;
  int top_logprobs = 0;
  bool include_usage = false;       // a last event of a stream that tells it
  std::vector<std::string> echoed;  // completions: the prompts, where the answers begin with them
  HttpRequest request;              // what refusals look at
};

// What may be asked, and how.
struct CompletionSettings {
  GenerateOptions options;
  bool with_logprobs = false;
  int top_logprobs = 0;
  bool stream = false;
  bool include_usage = false;
  std::optional<std::chrono::milliseconds> timeout;
};

HttpResponse answer_completion(const CompletionQuestion& question, std::span<const Result<GeneratedText>> texts);
GenerateEvents completion_events(std::shared_ptr<const CompletionQuestion> question);

}  // namespace rerank::dialects
