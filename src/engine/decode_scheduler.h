// Which tokens of which sequences go through the model next: prompts in pieces, one new token of every other sequence,
// all in one pass. What memory does not hold waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/decode_prefixes.h"
#include "engine/decode_text.h"
#include "engine/generator.h"

namespace rerank {

// A request on its way.
struct DecodeSequence {
  DecodeSequence(const GenerationRequest& wanted, const tokenizer::Tokenizer& tokenizer, std::size_t most_tokens)
      : request(wanted), tokens(wanted.prompt), most_new(most_tokens), stops(tokenizer, wanted.stop_strings) {}

  const GenerationRequest& request;
  // Of the caller's.
  const void* call = nullptr;
  std::size_t request_idx = 0;
  std::atomic<std::size_t>* new_tokens_of_call = nullptr;

  std::uint64_t age = 0;
  std::vector<std::int32_t> tokens;  // the prompt, and what came after it
  std::size_t most_new;
  StopFinder stops;

  models::KvCache cache;  // of the first tokens
  std::vector<PromptTree::Node*> path;
  bool has_copy = false;  // of a block that other tokens lay behind
  bool may_copy = true;

  Generation generation;
  std::optional<Error> error;
  bool done = false;

  std::size_t missing() const { return tokens.size() - cache.tokens(); }
  std::span<const std::int32_t> new_tokens() const { return std::span(tokens).subspan(request.prompt.size()); }
};

class DecodeScheduler {
 public:
  // Borrows all but the options.
  DecodeScheduler(const models::LoadedDecoder& model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers,
                  GeneratorOptions options);

  // What is wrong with the request, if it can never run.
  Status check(const GenerationRequest& request) const;
  // A sequence for a request that may run; it goes behind those that are there. What the sequence borrows stays until
  // step() or remove() gives it back. Every new token counts in `new_tokens_of_call`.
  void add(const GenerationRequest& request, const void* call, std::size_t request_idx,
           std::atomic<std::size_t>& new_tokens_of_call);
  // The same in the place of a sequence that is finished.
  void follow(const DecodeSequence& finished, const GenerationRequest& request);
  // Takes away what is left of a call.
  std::vector<std::unique_ptr<DecodeSequence>> remove(const void* call);

  // Gives all memory for keys and values back, if there is no sequence. Not for step() to do: what follows a finished
  // sequence takes over what that one has computed.
  void release_if_idle();

  // One pass. What it finished.
  std::vector<std::unique_ptr<DecodeSequence>> step();

  // New tokens of requests that say tell_steps, since the last call, in the order in which each came.
  struct ToldStep {
    const void* call;
    std::size_t request_idx;
    GenerationStep step;
  };
  std::vector<ToldStep> take_told_steps() { return std::exchange(told_, {}); }

  const GeneratorCounts& counts() const { return counts_; }

 private:
  using Sequences = std::map<std::uint64_t, std::unique_ptr<DecodeSequence>>;  // by age, oldest first
  // What a pass computes of a sequence.
  struct Piece {
    DecodeSequence* sequence;
    std::size_t tokens;
    bool ends() const { return tokens == sequence->missing(); }
  };
  std::size_t most_new_tokens(const GenerationRequest& request) const;
  void enqueue(const GenerationRequest& request, std::uint64_t age, const void* call, std::size_t request_idx,
               std::atomic<std::size_t>& new_tokens_of_call);
  std::vector<Piece> plan();
  bool make_room(Sequences::iterator sequence, std::size_t tokens);
  void admit(std::vector<Piece>& pieces, std::size_t tokens_left);
  bool start(DecodeSequence& sequence, const PromptTree::Match& match);
  bool find_free(std::size_t blocks);
  void forget(DecodeSequence& sequence);
  void preempt(Sequences::iterator sequence);
  Status run(std::span<const Piece> pieces, std::span<const Piece> ending,
             std::span<models::Vocabulary::Answer> answers);
  void take(DecodeSequence& sequence, const models::Vocabulary::Answer& answer);
  void take_step(DecodeSequence& sequence, GenerationStep step);
  void fail(DecodeSequence& sequence, Error error);

  const models::LoadedDecoder& model_;
  const tokenizer::Tokenizer& tokenizer_;
  WorkerPool& workers_;
  GeneratorOptions options_;
  models::KvPool pool_;
  PromptTree tree_;
  std::uint64_t next_age_ = 0;
  Sequences waiting_, running_;
  GeneratorCounts counts_;
  std::vector<ToldStep> told_;
};

}  // namespace rerank
