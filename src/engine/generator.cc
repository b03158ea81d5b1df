#include "engine/generator.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/try.h"
#include "engine/decode_scheduler.h"

namespace rerank {

// The calls in flight share one scheduler. Whichever of their threads finds nobody at it takes the next step, for all
// of them; so there is no thread that belongs to nobody, and each caller hears of its results on its own thread.
struct Generator::State {
  struct Call {
    std::deque<std::unique_ptr<DecodeSequence>> finished;
    std::deque<std::pair<std::size_t, GenerationStep>> told;  // request, and its new token
    std::size_t open = 0;                                     // requests that are not finished
    std::deque<GenerationRequest> followers;
    std::atomic<std::size_t> new_tokens = 0;
  };

  State(const models::LoadedDecoder& model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers,
        GeneratorOptions options)
      : scheduler(model, tokenizer, workers, std::move(options)) {}

  std::mutex mutex;
  std::condition_variable changed;
  bool stepping = false;      // somebody is at the scheduler
  DecodeScheduler scheduler;  // with `stepping` set, for whoever set it; else under the mutex

  // Leaves `lock` held, and nobody at the scheduler.
  void wait_for_scheduler(std::unique_lock<std::mutex>& lock) {
    changed.wait(lock, [this] { return !stepping; });
  }

  // The lock is given up while the step runs.
  void step(std::unique_lock<std::mutex>& lock) {
    stepping = true;
    lock.unlock();
    auto finished = scheduler.step();
    lock.lock();
    stepping = false;
    for (auto& [told_call, request_idx, step] : scheduler.take_told_steps())
      static_cast<Call*>(const_cast<void*>(told_call))->told.emplace_back(request_idx, std::move(step));
    for (auto& sequence : finished) {
      Call& call = *static_cast<Call*>(const_cast<void*>(sequence->call));
      --call.open;
      call.finished.push_back(std::move(sequence));
    }
    changed.notify_all();
  }
};

Generator::Generator(const models::LoadedDecoder& model, const tokenizer::Tokenizer& tokenizer, WorkerPool& workers,
                     GeneratorOptions options)
    : state_(std::make_unique<State>(model, tokenizer, workers, std::move(options))) {}
Generator::~Generator() = default;

std::vector<Result<Generation>> Generator::generate(std::span<const GenerationRequest> requests,
                                                    const GenerationHooks& hooks) {
  State& state = *state_;
  const Error stopped{Error::Code::kBadInput, "not generated: the call was stopped before", "", ""};
  std::vector<Result<Generation>> results(requests.size(), Result<Generation>(stopped));
  State::Call call;
  bool go_on = true;
  const auto keep = [&](DecodeSequence& sequence) {
    Result<Generation>& result = results[sequence.request_idx];
    if (sequence.error) {
      result = std::move(*sequence.error);
    } else {
      result = std::move(sequence.generation);
    }
  };
  const auto tell = [&](std::size_t request_idx) {
    if (hooks.on_done) go_on = hooks.on_done(request_idx, results[request_idx]) && go_on;
  };
  // Whether something follows; it is on its way then.
  const auto follow = [&](const DecodeSequence& sequence) -> Result<bool> {
    if (!hooks.follow || sequence.error) return false;
    auto request = hooks.follow(sequence.request_idx, sequence.generation);
    if (!request) return false;
    RERANK_TRY(state.scheduler.check(*request));
    call.followers.push_back(std::move(*request));
    std::unique_lock lock(state.mutex);
    state.wait_for_scheduler(lock);
    state.scheduler.follow(sequence, call.followers.back());
    ++call.open;
    return true;
  };

  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < requests.size() && go_on; ++i) {
    const Status status = state.scheduler.check(requests[i]);
    if (status.ok()) {
      good.push_back(i);
    } else {
      results[i] = status.error();
      tell(i);
    }
  }
  std::unique_lock lock(state.mutex);
  state.wait_for_scheduler(lock);
  for (const std::size_t i : good) state.scheduler.add(requests[i], &call, i, call.new_tokens);
  call.open = good.size();
  std::size_t told_tokens = 0;
  while (go_on && (call.open > 0 || !call.finished.empty())) {
    if (!call.told.empty()) {
      const auto [request_idx, step] = std::move(call.told.front());
      call.told.pop_front();
      lock.unlock();
      if (hooks.on_step) go_on = hooks.on_step(request_idx, step) && go_on;
      lock.lock();
    } else if (!call.finished.empty()) {
      const std::unique_ptr<DecodeSequence> sequence = std::move(call.finished.front());
      call.finished.pop_front();
      lock.unlock();
      const Result<bool> followed = follow(*sequence);
      if (!followed.ok() || !followed.value()) {
        keep(*sequence);
        if (!followed.ok()) results[sequence->request_idx] = followed.error();
        tell(sequence->request_idx);
      }
      lock.lock();
    } else if (hooks.on_tokens && call.new_tokens != told_tokens) {
      told_tokens = call.new_tokens;
      lock.unlock();
      go_on = hooks.on_tokens(told_tokens) && go_on;
      lock.lock();
    } else if (!state.stepping) {
      state.step(lock);
    } else {
      state.changed.wait(lock, [&] {
        return !state.stepping || !call.finished.empty() || !call.told.empty() ||
               (hooks.on_tokens && call.new_tokens != told_tokens);
      });
    }
  }
  if (!go_on) {
    state.wait_for_scheduler(lock);
    state.scheduler.remove(&call);
    for (const auto& sequence : call.finished) keep(*sequence);
  }
  if (!state.stepping) state.scheduler.release_if_idle();  // who is at it will do it
  return results;
}

GeneratorCounts Generator::counts() const {
  std::unique_lock lock(state_->mutex);
  state_->wait_for_scheduler(lock);
  return state_->scheduler.counts();
}

}  // namespace rerank
