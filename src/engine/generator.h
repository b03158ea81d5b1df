// Greedy generation for many prompts at once: prompts enter and finished sequences leave at every step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/worker_pool.h"
#include "models/causal_registry.h"
#include "rerank/error.h"
#include "tokenizer/tokenizer.h"

namespace rerank {

struct GenerationRequest {
  std::vector<std::int32_t> prompt;            // at least one token
  std::size_t max_new_tokens = 0;              // 0: only the prompt runs, and Generation::next is filled
  std::vector<std::string> stop_strings = {};  // generation ends as soon as the new text holds one of them
  bool ignore_end_of_text = false;             // it goes on behind a token that ends the text
  // Tokens whose log-probabilities every step records, from the full softmax.
  std::vector<std::int32_t> watched = {};
  std::size_t top_logprobs = 0;  // the K likeliest tokens of every step are recorded
  // GenerationHooks::follow may go on with a prompt that begins like this one: its keys and values wait for it, as long
  // as nobody else needs the memory.
  bool may_be_followed = false;
  bool tell_steps = false;  // GenerationHooks::on_step hears of every one
};

struct GenerationStep {
  std::int32_t token = 0;
  std::vector<double> watched;                       // log-probabilities of GenerationRequest::watched
  std::vector<std::size_t> watched_rank;             // how many tokens are likelier
  std::vector<std::pair<std::int32_t, double>> top;  // best first; of equal ones the lower id
};

struct Generation {
  enum class Finish { kStop, kEndOfText, kLength };
  std::vector<GenerationStep> steps;  // one a new token, those of the stop string included
  std::string text;  // of the new tokens, control tokens written out; without the stop string and what follows it
  Finish finish = Finish::kLength;
  std::string stop;     // the stop string that ended it
  GenerationStep next;  // without a single step, because none was asked for or had a position left: what would come
};

struct GeneratorOptions {
  std::size_t kv_bytes = 0;                    // memory for keys and values; 0: a quarter of the machine's
  std::vector<std::int32_t> end_of_text = {};  // tokens that end a generation
};

// What a generator has done so far.
struct GeneratorCounts {
  models::CausalWork work;
  std::size_t passes = 0;         // through the model, with tokens of one or many sequences each
  std::size_t kv_bytes_read = 0;  // keys and values that the passes read, in whole blocks
  std::size_t preemptions = 0;    // sequences that gave their memory to an older one, and were computed again
  std::size_t shared_tokens = 0;  // tokens of prompts that were taken over from another one
};

// What a call wants to hear, each on the thread that called. Returning false stops the whole call, and what has not
// finished is an error that says so.
struct GenerationHooks {
  // As each request finishes.
  std::function<bool(std::size_t request_idx, const Result<Generation>& generation)> on_done = {};
  // Each new token of requests that say tell_steps, before on_done and follow of the same request.
  std::function<bool(std::size_t request_idx, const GenerationStep& step)> on_step = {};
  // After each pass through the model, with the tokens that the call has written so far.
  std::function<bool(std::size_t new_tokens)> on_tokens = {};
  // Before on_done: what to go on with, if a request is not finished with this generation. It takes the request's
  // place, before all that came later.
  std::function<std::optional<GenerationRequest>(std::size_t request_idx, const Generation& generation)> follow = {};
};

// The tokens, text and probabilities of a request depend on that request and on nothing else, bit for bit: not on what
// runs beside it, when it entered, or whether it had to be computed again because memory ran short.
class Generator {
 public:
  // Borrows all three.
  Generator(const models::LoadedDecoder& model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers,
            GeneratorOptions options);
  ~Generator();

  // Calls from several threads go through the model together. One result a request, in order; a bad request does not
  // lose the others.
  std::vector<Result<Generation>> generate(std::span<const GenerationRequest> requests,
                                           const GenerationHooks& hooks = {});

  GeneratorCounts counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rerank
