#include "server/models.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/try.h"
#include "server/metrics.h"

namespace rerank::server {
namespace {

// An engine call of so many micro-batches (of 512 tokens) a thread: fewer let the workers wait for each other too
// often, more let a small request wait too long behind a large one.
constexpr std::size_t kBatchTokensPerThread = 1024;
// Beside small requests a large one has its turn in so many calls: its micro-batches are short then, and the workers
// soon free.
constexpr std::size_t kShortCalls = 8;
// Reasoning goes on for minutes: its calls run together in the engine, a few pairs in each, so that none of them waits
// long for the last one beside it.
constexpr int kReasoningCalls = 8;
constexpr std::size_t kReasoningPairs = 8;
constexpr int kScoreCalls = 2;
constexpr int kGenerateCalls = 8;
constexpr std::size_t kDefaultPairTokens = 512;

ScoreQueueOptions queue_options(const ModelInfo& info, std::size_t batch_tokens) {
  ScoreQueueOptions options;
  options.batch_tokens =
      batch_tokens > 0 ? batch_tokens : kBatchTokensPerThread * static_cast<std::size_t>(info.threads);
  options.short_tokens = std::max<std::size_t>(1, options.batch_tokens / kShortCalls);
  options.calls = kScoreCalls;
  const auto positions = static_cast<std::size_t>(std::max(info.max_positions, 1));
  options.pair_tokens = std::min(kDefaultPairTokens, positions);
  if (info.method == "expectation" || info.method == "reasoning") options.pair_tokens = positions;
  if (info.method == "reasoning") {
    options.calls = kReasoningCalls;
    options.short_tokens = options.batch_tokens;  // there are no micro-batches to wait for
    options.batch_pairs = kReasoningPairs;
  }
  return options;
}

// A long and a short pair for every thread: touches all weights, and gives each worker the memory that it will need.
Status warm_up(const Engine& engine, ScoreOptions options) {
  std::string passage;
  for (int i = 0; i < 600; ++i) passage += "warm ";
  std::vector<Pair> pairs;
  for (int i = 0; i < std::max(engine.info().threads, 1); ++i) {
    pairs.push_back({"warm up", passage});
    pairs.push_back({"warm up", "warm"});
  }
  if (engine.info().method == "reasoning") {
    options.max_new_tokens = 1;
    pairs.resize(1);
  }
  RERANK_ASSIGN(const auto scores, engine.score_each(pairs, options));
  for (const Result<Score>& score : scores) RERANK_TRY(score);
  return {};
}

}  // namespace

LoadedModel::LoadedModel(Engine loaded, std::size_t batch_tokens, Metrics& metrics)
    : engine(std::move(loaded)), tokenizer(engine.tokenizer()) {
  if (auto made = engine.generator(); made.ok()) generator = std::move(made).value();
  if (generator)
    texts = std::make_unique<GenerateQueue>(
        [this](std::span<const std::string_view> prompts, const GenerateOptions& options) {
          return generator->generate(prompts, options);
        },
        kGenerateCalls);
  scores = std::make_unique<ScoreQueue>(
      [this](std::span<const Pair> pairs, const ScoreOptions& options) { return engine.score_each(pairs, options); },
      queue_options(engine.info(), batch_tokens), metrics);
}

Models::Models(std::vector<ModelChoice> choices, dialects::Catalog catalog, bool lazy, std::size_t batch_tokens,
               std::chrono::milliseconds retry_after, Metrics& metrics)
    : lazy_(lazy), batch_tokens_(batch_tokens), retry_after_(retry_after), metrics_(metrics) {
  for (ModelChoice& choice : choices) {
    dialects::ServedModel served;
    served.name = choice.name;
    served.defaults = choice.defaults;
    catalog.models.push_back(std::move(served));
    slots_.emplace_back();
    slots_.back().choice = std::move(choice);
  }
  catalog_ = std::make_shared<const dialects::Catalog>(std::move(catalog));
}

Models::~Models() {
  stop();
}

void Models::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  slots_.clear();
}

void Models::start(std::function<void(std::size_t, const Status&, double)> on_loaded) {
  on_loaded_ = std::move(on_loaded);
  if (!lazy_) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].state = State::kAsked;
      asked_.push_back(i);
    }
  }
  thread_ = std::thread([this] { work(); });
}

std::shared_ptr<const dialects::Catalog> Models::catalog() const {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

LoadedModel* Models::find(std::size_t model) const {
  const std::lock_guard lock(mutex_);
  return slots_[model].model.get();
}

bool Models::all_ready() const {
  const std::lock_guard lock(mutex_);
  return lazy_ || std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.model != nullptr; });
}

void Models::when_loaded(std::size_t model, std::function<void(const Status&)> call) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[model];
  if (slot.state == State::kFailed && std::chrono::steady_clock::now() - slot.failed_at >= retry_after_)
    slot.state = State::kUnloaded;
  if (slot.state == State::kReady || slot.state == State::kFailed) {
    const Status status = slot.status;
    lock.unlock();
    return call(status);
  }
  slot.waiting.push_back(std::move(call));
  if (slot.state == State::kUnloaded) {
    slot.state = State::kAsked;
    asked_.push_back(model);
    wake_.notify_all();
  }
}

// Each once, under the first of its names.
std::vector<std::pair<std::string, std::shared_ptr<LoadedModel>>> Models::loaded() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::shared_ptr<LoadedModel>>> loaded;
  for (const Slot& slot : slots_) {
    const auto is_same = [&](const auto& known) { return known.second == slot.model; };
    if (slot.model && std::none_of(loaded.begin(), loaded.end(), is_same))
      loaded.emplace_back(slot.choice.name, slot.model);
  }
  return loaded;
}

std::size_t Models::waiting_pairs() const {
  std::size_t pairs = 0;
  for (const auto& [name, model] : loaded()) pairs += model->scores->waiting_pairs();
  return pairs;
}

void Models::write_metrics(std::string& out) const {
  std::vector<std::pair<std::string, Work>> works;
  for (const auto& [name, model] : loaded()) works.emplace_back(label("model", name), model->engine.work());
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    MetricText text(out, name, "counter", help);
    for (const auto& [model, work] : works) text.line(model, static_cast<double>(value(work)));
  };
  each("rerank_tokens_given_total", "Tokens of the pairs scored", [](const Work& work) { return work.tokens_given; });
  each("rerank_tokens_computed_total", "Tokens that went through the model",
       [](const Work& work) { return work.tokens_computed; });
  each("rerank_tokens_saved_total", "Tokens that did not: their beginning was shared, or the score of their pair known",
       [](const Work& work) { return work.tokens_given - std::min(work.tokens_given, work.tokens_computed); });
  each("rerank_repeated_pairs_total", "Pairs that were scored once with an equal one of their batch",
       [](const Work& work) { return work.repeated_pairs; });
  each("rerank_score_cache_hits_total", "Pairs whose score was in the score cache",
       [](const Work& work) { return work.cache_hits; });
  each("rerank_score_cache_misses_total", "Pairs whose score was looked for there and computed",
       [](const Work& work) { return work.cache_misses; });
  each("rerank_new_tokens_total", "Tokens written by reasoning", [](const Work& work) { return work.new_tokens; });
  each("rerank_shared_prompt_tokens_total", "Tokens of prompts found in the cache of keys and values",
       [](const Work& work) { return work.shared_tokens; });
  each("rerank_preemptions_total", "Pairs that gave their memory to an older one",
       [](const Work& work) { return work.preemptions; });
  each("rerank_model_passes_total", "Passes of reasoning through the model",
       [](const Work& work) { return work.passes; });
  MetricText ready(out, "rerank_model_ready", "gauge", "Whether the model is loaded and warm");
  const auto now = catalog();
  for (const dialects::ServedModel& served : now->models) ready.line(label("model", served.name), served.ready ? 1 : 0);
}

void Models::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !asked_.empty(); });
    if (stopping_) return;
    const std::size_t slot_idx = asked_.front();
    asked_.pop_front();
    const ModelChoice choice = slots_[slot_idx].choice;
    std::shared_ptr<LoadedModel> same;
    for (const Slot& slot : slots_)
      if (slot.model && slot.choice.source == choice.source) same = slot.model;
    lock.unlock();
    const auto begin = std::chrono::steady_clock::now();
    auto loaded = same ? Result<std::shared_ptr<LoadedModel>>(same) : load(choice);
    const Status status = loaded.ok() ? Status() : Status(loaded.error());
    finish(slot_idx, std::move(loaded));
    if (on_loaded_)
      on_loaded_(slot_idx, status, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    lock.lock();
  }
}

Result<std::shared_ptr<LoadedModel>> Models::load(const ModelChoice& choice) const {
  RERANK_ASSIGN(Engine engine, choice.load());
  RERANK_TRY(warm_up(engine, choice.defaults));
  return std::make_shared<LoadedModel>(std::move(engine), batch_tokens_, metrics_);
}

void Models::finish(std::size_t slot_idx, Result<std::shared_ptr<LoadedModel>> loaded) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[slot_idx];
  if (loaded.ok()) {
    slot.state = State::kReady;
    slot.status = {};
    slot.model = std::move(loaded).value();
    auto catalog = std::make_shared<dialects::Catalog>(*catalog_);
    dialects::ServedModel& served = catalog->models[slot_idx];
    served.info = slot.model->engine.info();
    served.ready = true;
    served.generates = slot.model->generator.has_value();
    served.waiting_pairs = [scores = slot.model->scores.get()] { return scores->waiting_pairs(); };
    if (batch_tokens_ == 0)
      catalog->limits.max_batch_tokens =
          std::max(catalog->limits.max_batch_tokens, queue_options(served.info, 0).batch_tokens);
    catalog_ = std::move(catalog);
  } else {
    slot.state = State::kFailed;
    slot.status = loaded.error();
    slot.failed_at = std::chrono::steady_clock::now();
  }
  const Status status = slot.status;
  const auto waiting = std::exchange(slot.waiting, {});
  lock.unlock();
  for (const auto& call : waiting) call(status);
}

}  // namespace rerank::server
