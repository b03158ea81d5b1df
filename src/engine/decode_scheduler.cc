#include "engine/decode_scheduler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/team.h"
#include "base/try.h"
#include "engine/micro_batches.h"

namespace rerank {
namespace {

using kernels::kPageTokens;
using models::Vocabulary;

// Sequences at a time: beyond it the weights are read no less often a token (kernels::kMostRowsPerPass), and the
// activations grow.
constexpr std::size_t kMostRunning = 512;

constexpr std::size_t blocks_of(std::size_t tokens) {
  return kernels::round_up(tokens, kPageTokens) / kPageTokens;
}

std::size_t quarter_of_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 4;
}

Error bad_request(std::string what, std::string fix) {
  return {Error::Code::kBadInput, std::move(what), "", std::move(fix)};
}

// The budget would allow it, but the machine does not.
Error no_memory() {
  return {Error::Code::kOutOfMemory, "no memory for keys and values", "",
          "use a smaller memory budget or a machine with more memory"};
}

}  // namespace

DecodeScheduler::DecodeScheduler(const models::LoadedDecoder& model, const tokenizer::Tokenizer& tokenizer,
                                 WorkerPool& workers, GeneratorOptions options)
    : model_(model),
      tokenizer_(tokenizer),
      workers_(workers),
      options_(std::move(options)),
      pool_(model.decoder->layers(), model.decoder->kv_page_bytes(),
            options_.kv_bytes > 0 ? options_.kv_bytes : quarter_of_memory()) {}

// Where the model's positions end, so does the text.
std::size_t DecodeScheduler::most_new_tokens(const GenerationRequest& request) const {
  return std::min(request.max_new_tokens, model_.decoder->config().positions - request.prompt.size());
}

Status DecodeScheduler::check(const GenerationRequest& request) const {
  const models::DecoderConfig& config = model_.decoder->config();
  if (request.prompt.empty()) return bad_request("a prompt without a token", "give at least one");
  if (request.prompt.size() > config.positions)
    return bad_request(fmt::format("a prompt of {} tokens, but the model has positions for {}", request.prompt.size(),
                                   config.positions),
                       "shorten it");
  for (const auto ids : {std::span(request.prompt), std::span(request.watched)})
    for (const std::int32_t id : ids)
      if (id < 0 || static_cast<std::size_t>(id) >= config.vocabulary)
        return bad_request(fmt::format("token id {} is outside the model's vocabulary of {}", id, config.vocabulary),
                           "tokenizer.json and config.json must come from the same checkpoint");
  for (const std::string& stop : request.stop_strings)
    if (stop.empty()) return bad_request("an empty stop string, which every text holds", "leave it out");
  // The last new token's keys and values are never needed.
  const std::size_t tokens = request.prompt.size() + std::max(most_new_tokens(request), std::size_t{1}) - 1;
  if (blocks_of(tokens) > pool_.capacity())
    return Error{Error::Code::kOutOfMemory,
                 fmt::format("keys and values of {} tokens need {} bytes, and {} may be used", tokens,
                             blocks_of(tokens) * pool_.block_bytes(), pool_.capacity() * pool_.block_bytes()),
                 "",
                 fmt::format("allow at least {} bytes, or fewer new tokens", blocks_of(tokens) * pool_.block_bytes())};
  return {};
}

void DecodeScheduler::add(const GenerationRequest& request, const void* call, std::size_t request_idx,
                          std::atomic<std::size_t>& new_tokens_of_call) {
  enqueue(request, next_age_++, call, request_idx, new_tokens_of_call);
}

void DecodeScheduler::follow(const DecodeSequence& finished, const GenerationRequest& request) {
  enqueue(request, finished.age, finished.call, finished.request_idx, *finished.new_tokens_of_call);
}

void DecodeScheduler::enqueue(const GenerationRequest& request, std::uint64_t age, const void* call,
                              std::size_t request_idx, std::atomic<std::size_t>& new_tokens_of_call) {
  auto sequence = std::make_unique<DecodeSequence>(request, tokenizer_, most_new_tokens(request));
  sequence->call = call;
  sequence->request_idx = request_idx;
  sequence->new_tokens_of_call = &new_tokens_of_call;
  sequence->age = age;
  sequence->cache = models::KvCache(pool_);
  waiting_.emplace(age, std::move(sequence));
}

std::vector<std::unique_ptr<DecodeSequence>> DecodeScheduler::remove(const void* call) {
  std::vector<std::unique_ptr<DecodeSequence>> removed;
  for (Sequences* sequences : {&waiting_, &running_})
    for (auto at = sequences->begin(); at != sequences->end();) {
      if (at->second->call != call) {
        ++at;
        continue;
      }
      forget(*at->second);
      removed.push_back(std::move(at->second));
      at = sequences->erase(at);
    }
  return removed;
}

std::vector<std::unique_ptr<DecodeSequence>> DecodeScheduler::step() {
  const std::vector<Piece> pieces = plan();
  std::vector<Piece> ending;
  std::copy_if(pieces.begin(), pieces.end(), std::back_inserter(ending), [](const Piece& p) { return p.ends(); });
  std::vector<Vocabulary::Answer> answers(ending.size());
  const Status status = pieces.empty() ? Status() : run(pieces, ending, answers);
  for (const Piece& piece : pieces)
    if (!status.ok()) fail(*piece.sequence, status.error());
  for (std::size_t i = 0; i < ending.size() && status.ok(); ++i) take(*ending[i].sequence, answers[i]);

  std::vector<std::unique_ptr<DecodeSequence>> finished;
  for (auto at = running_.begin(); at != running_.end();) {
    if (!at->second->done) {
      ++at;
      continue;
    }
    if (at->second->request.may_be_followed) PromptTree::keep(at->second->path);
    forget(*at->second);
    finished.push_back(std::move(at->second));
    at = running_.erase(at);
  }
  return finished;
}

void DecodeScheduler::release_if_idle() {
  if (!running_.empty() || !waiting_.empty()) return;
  tree_.clear();
  pool_.release_memory();
}

// Oldest first: a younger sequence gives its memory to an older one, never the other way round, so that the oldest one
// always gets on.
std::vector<DecodeScheduler::Piece> DecodeScheduler::plan() {
  std::vector<Piece> pieces;
  std::size_t prompt_tokens_left = kTokensPerMicroBatch;
  for (auto at = running_.begin(); at != running_.end();) {
    DecodeSequence& sequence = *at->second;
    const std::size_t missing = sequence.missing();
    const std::size_t tokens = missing == 1 ? 1 : std::min(missing, prompt_tokens_left);
    if (tokens > 0) {
      if (make_room(at, sequence.cache.tokens() + tokens)) {
        pieces.push_back({&sequence, tokens});
        if (missing > 1) prompt_tokens_left -= tokens;
      } else if (!sequence.done) {
        preempt(at);  // it was the youngest
        return pieces;
      }
    }
    ++at;
  }
  admit(pieces, prompt_tokens_left);
  return pieces;
}

// Room for the sequence's first `tokens` tokens, if need be at the expense of younger ones. False: there is none; the
// sequence is the youngest itself, or has failed because it is alone.
bool DecodeScheduler::make_room(Sequences::iterator sequence, std::size_t tokens) {
  while (!sequence->second->cache.grow(pool_, tokens)) {
    if (tree_.evict()) continue;
    const auto youngest = std::prev(running_.end());
    if (youngest != sequence) {
      preempt(youngest);
    } else if (running_.size() > 1) {
      return false;
    } else {
      fail(*sequence->second, no_memory());
      return false;
    }
  }
  return true;
}

// Lets those in that wait, as far as memory and this pass have room for them.
void DecodeScheduler::admit(std::vector<Piece>& pieces, std::size_t tokens_left) {
  for (auto at = waiting_.begin(); at != waiting_.end() && tokens_left > 0 && running_.size() < kMostRunning;) {
    DecodeSequence& sequence = *at->second;
    PromptTree::Match match = tree_.match(sequence.request.prompt);
    if (match.wait) {  // those behind it may do other things meanwhile
      ++at;
      continue;
    }
    if (!sequence.may_copy) match.partial = nullptr;
    if (!start(sequence, match)) {
      if (!running_.empty()) return;  // nobody overtakes it, or it might never find room
      fail(sequence, no_memory());
      running_.insert(waiting_.extract(at++));
      continue;
    }
    const std::size_t tokens = std::min(sequence.missing(), tokens_left);
    tokens_left -= tokens;
    pieces.push_back({&sequence, tokens});
    running_.insert(waiting_.extract(at++));
  }
}

// Takes over what matches, and makes room for the rest; false, and nothing done, when there is too little memory.
bool DecodeScheduler::start(DecodeSequence& sequence, const PromptTree::Match& match) {
  // Held, so that nobody evicts it.
  models::KvBlock partial = match.partial == nullptr ? nullptr : match.partial->block;
  sequence.path = tree_.enter(sequence.request.prompt, match.path);
  // A block more for each of those that run: else the next steps would send it away again.
  const std::size_t blocks = blocks_of(sequence.tokens.size()) - match.path.size();
  bool enough = find_free(blocks + running_.size());
  if (!enough && running_.empty()) {  // what it would copy may be what takes its room
    partial = nullptr;
    enough = find_free(blocks);
  }
  for (PromptTree::Node* node : match.path) sequence.cache.share(node->block);
  if (!enough || !sequence.cache.grow(pool_, sequence.tokens.size())) {
    forget(sequence);
    return false;
  }
  if (partial != nullptr) {
    sequence.cache.copy_block(partial, match.partial_tokens);
    sequence.has_copy = true;
  }
  counts_.shared_tokens += sequence.cache.tokens();
  return true;
}

bool DecodeScheduler::find_free(std::size_t blocks) {
  while (pool_.free() < blocks)
    if (!tree_.evict()) return false;
  return true;
}

// Its keys and values; its tokens stay, so that they can be computed again.
void DecodeScheduler::forget(DecodeSequence& sequence) {
  tree_.leave(sequence.path);
  sequence.path.clear();
  sequence.cache = models::KvCache(pool_);
  sequence.has_copy = false;
}

void DecodeScheduler::preempt(Sequences::iterator sequence) {
  forget(*sequence->second);
  waiting_.insert(running_.extract(sequence));
  ++counts_.preemptions;
}

Status DecodeScheduler::run(std::span<const Piece> pieces, std::span<const Piece> ending,
                            std::span<Vocabulary::Answer> answers) {
  const models::Decoder& decoder = *model_.decoder;
  const std::size_t hidden = decoder.config().hidden;
  models::CausalBatch batch;
  for (const auto& [sequence, tokens] : pieces) {
    const std::size_t past = sequence->cache.tokens();
    batch.add(std::span(sequence->tokens).subspan(past, tokens), {.past_tokens = past, .keep = &sequence->cache});
  }
  std::vector<Vocabulary::Question> questions;
  for (const Piece& piece : ending) {
    const GenerationRequest& request = piece.sequence->request;
    questions.push_back({request.watched, true, std::max(request.top_logprobs, std::size_t{1})});
  }
  models::CausalOptions options;
  options.layers = decoder.layers();
  options.cutoffs = {decoder.layers()};

  Status status;
  Team team(workers_.size());
  workers_.run(team.members(), [&](std::size_t member, kernels::Workspace& workspace) {
    if (member != 0) return team.help(member);
    status = [&]() -> Status {
      std::vector<float> states(pieces.size() * hidden), read;
      RERANK_ASSIGN(const models::CausalWork work, decoder.forward(batch, options, workspace, states, nullptr, &team));
      counts_.work.tokens += work.tokens;
      counts_.work.flops += work.flops;
      ++counts_.passes;
      for (const Piece& piece : pieces)
        counts_.kv_bytes_read += blocks_of(piece.sequence->cache.tokens()) * pool_.block_bytes();
      for (std::size_t i = 0; i < pieces.size(); ++i)
        if (pieces[i].sequence->missing() == 0)
          read.insert(read.end(), &states[i * hidden], &states[i * hidden] + hidden);
      if (questions.empty()) return {};
      return model_.vocabulary->answer(read, questions, decoder.ops().on(&team), workspace, answers);
    }();
    team.finish();
  });
  // What others may now share.
  for (const auto& [sequence, tokens] : pieces)
    for (std::size_t i = 0; i < sequence->path.size() && status.ok(); ++i)
      if (sequence->path[i]->block == nullptr &&
          i * kPageTokens + sequence->path[i]->ids->size() <= sequence->cache.tokens())
        PromptTree::computed(*sequence->path[i], sequence->cache.block(i));
  return status;
}

void DecodeScheduler::take(DecodeSequence& sequence, const Vocabulary::Answer& answer) {
  if (!answer.finite) {
    // A block that was copied may hold, behind the tokens that were meant, what is no number either: only if that plays
    // no part is it this request's own fault.
    if (sequence.has_copy) {
      sequence.may_copy = false;
      return forget(sequence);
    }
    return fail(sequence, {Error::Code::kBadInput, "the model's logits are not finite", "",
                           "the checkpoint may be broken, or its numbers too large for this dtype"});
  }
  GenerationStep step;
  step.token = answer.top.front().first;
  for (const Vocabulary::Reading& reading : answer.watched) {
    step.watched.push_back(reading.log_probability);
    step.watched_rank.push_back(reading.rank);
  }
  step.top = answer.top;
  step.top.resize(std::min(step.top.size(), sequence.request.top_logprobs));
  take_step(sequence, std::move(step));
}

void DecodeScheduler::take_step(DecodeSequence& sequence, GenerationStep step) {
  Generation& generation = sequence.generation;
  if (sequence.most_new == 0) {
    generation.next = std::move(step);
    sequence.done = true;
    return;
  }
  const std::int32_t token = step.token;
  sequence.tokens.push_back(token);
  if (sequence.request.tell_steps) told_.push_back({sequence.call, sequence.request_idx, step});
  generation.steps.push_back(std::move(step));
  ++*sequence.new_tokens_of_call;
  const bool ends =
      !sequence.request.ignore_end_of_text &&
      std::find(options_.end_of_text.begin(), options_.end_of_text.end(), token) != options_.end_of_text.end();
  if (auto hit = sequence.stops.find(sequence.new_tokens())) {
    generation.finish = Generation::Finish::kStop;
    generation.stop = sequence.request.stop_strings[hit->stop];
    generation.text = std::move(hit->text);
    sequence.done = true;
  } else if (ends || generation.steps.size() == sequence.most_new) {
    generation.finish = ends ? Generation::Finish::kEndOfText : Generation::Finish::kLength;
    generation.text = tokenizer_.decode(sequence.new_tokens(), false);
    sequence.done = true;
  }
}

void DecodeScheduler::fail(DecodeSequence& sequence, Error error) {
  sequence.error = std::move(error);
  sequence.done = true;
}

}  // namespace rerank
