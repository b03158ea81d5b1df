#include "server/score_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "server/metrics.h"

namespace rerank::server {
namespace {

// An engine that waits to be told how many calls it may answer, and remembers them. The score of a pair is its bytes.
class FakeEngine {
 public:
  Result<std::vector<Result<Score>>> score_each(std::span<const Pair> pairs, const ScoreOptions& options) {
    std::unique_lock lock(mutex_);
    std::vector<std::string> call;
    for (const Pair& pair : pairs) call.push_back(std::string(pair.query));
    calls_.push_back(call);
    changed_.notify_all();
    changed_.wait(lock, [&] { return allowed_ > 0 || options.stop.stop_requested(); });
    if (options.stop.stop_requested()) {
      ++stopped_;
      return Error{Error::Code::kBadInput, "stopped", "", ""};
    }
    --allowed_;
    if (fail_) return Error{Error::Code::kBadInput, "max_length is too small", "--max-length", ""};
    std::vector<Result<Score>> scores;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (pairs[i].passage == "bad") {
        scores.push_back(Error{Error::Code::kBadInput, "is bad", "pair " + std::to_string(i), ""});
      } else {
        const std::size_t bytes = pairs[i].query.size() + pairs[i].passage.size();
        scores.push_back(Score{static_cast<double>(bytes), static_cast<std::uint32_t>(bytes)});
      }
    }
    return scores;
  }
  void allow(int calls) {
    const std::lock_guard lock(mutex_);
    allowed_ += calls;
    changed_.notify_all();
  }
  // Threads that wait for a stop look again.
  void look() { allow(0); }
  std::vector<std::vector<std::string>> wait_for_calls(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return calls_.size() >= count; }));
    return calls_;
  }
  void fail() { fail_ = true; }
  int stopped() {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<std::string>> calls_;
  int allowed_ = 0, stopped_ = 0;
  std::atomic<bool> fail_{false};
};

class ScoreQueueTest : public ::testing::Test {
 protected:
  std::unique_ptr<ScoreQueue> make(ScoreQueueOptions options) {
    return std::make_unique<ScoreQueue>(
        [this](std::span<const Pair> pairs, const ScoreOptions& given) { return engine_.score_each(pairs, given); },
        options, metrics_);
  }
  // `count` pairs of one token, as the queue estimates them: an empty text has the template's alone.
  static ScoreTask task(const std::string& name, std::size_t count, std::promise<std::vector<Result<Score>>>* done) {
    ScoreTask task;
    task.texts = {name, ""};
    task.pairs.assign(count, {0, 1});
    task.done = [done](std::vector<Result<Score>> scores, double queue_s) {
      EXPECT_GE(queue_s, 0);
      if (done != nullptr) done->set_value(std::move(scores));
    };
    return task;
  }

  FakeEngine engine_;
  Metrics metrics_;
};

// Each pair is estimated at 4 tokens, so a batch of 40 holds ten pairs.
constexpr ScoreQueueOptions kTenPairs{.batch_tokens = 40, .calls = 1};

TEST_F(ScoreQueueTest, SmallRequestsShareACall) {
  const auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> first, a, b;
  queue->submit(task("x", 1, &first));
  engine_.wait_for_calls(1);
  queue->submit(task("a", 3, &a));
  queue->submit(task("b", 2, &b));
  EXPECT_EQ(queue->waiting_pairs(), 5u);
  engine_.allow(2);
  EXPECT_EQ(a.get_future().get().size(), 3u);
  EXPECT_EQ(b.get_future().get().size(), 2u);
  EXPECT_EQ(engine_.wait_for_calls(2)[1], (std::vector<std::string>{"a", "a", "a", "b", "b"}));
  EXPECT_EQ(queue->waiting_pairs(), 0u);
}

TEST_F(ScoreQueueTest, ASmallRequestIsInACallWhileALargeOneHoldsItsShare) {
  for (const int calls : {1, 2, 4}) {
    ScoreQueueOptions options = kTenPairs;
    options.calls = calls;
    FakeEngine engine;
    std::promise<std::vector<Result<Score>>> large, small;
    ScoreQueue queue(
        [&](std::span<const Pair> pairs, const ScoreOptions& given) { return engine.score_each(pairs, given); },
        options, metrics_);
    queue.submit(task("L", 1000, &large));
    const auto held = static_cast<std::size_t>(calls);
    for (const auto& call : engine.wait_for_calls(held)) EXPECT_EQ(call, std::vector<std::string>(10, "L"));
    queue.submit(task("s", 4, &small));
    EXPECT_EQ(engine.wait_for_calls(held + 1)[held], std::vector<std::string>(4, "s")) << "no call was answered yet";
    engine.allow(1000);
    EXPECT_EQ(small.get_future().get().size(), 4u);
    EXPECT_EQ(large.get_future().get().size(), 1000u);
  }
}

TEST_F(ScoreQueueTest, ASmallRequestDoesNotStarveALargeOne) {
  const auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> large;
  queue->submit(task("x", 1, nullptr));
  engine_.wait_for_calls(1);
  queue->submit(task("L", 30, &large));
  for (int i = 0; i < 50; ++i) queue->submit(task("s", 10, nullptr));
  engine_.allow(1);
  std::size_t calls_with_large = 0;
  for (std::size_t i = 2; i <= 53; ++i) {
    const auto calls = engine_.wait_for_calls(i);
    calls_with_large += std::count(calls[i - 1].begin(), calls[i - 1].end(), "L") > 0;
    engine_.allow(1);
  }
  EXPECT_GE(calls_with_large, 2u);
  engine_.allow(1000);
  large.get_future().get();
}

TEST_F(ScoreQueueTest, OnlyTheSameSettingsGoTogether) {
  const auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> a, b;
  queue->submit(task("x", 1, nullptr));
  engine_.wait_for_calls(1);
  queue->submit(task("a", 1, &a));
  ScoreTask other = task("b", 1, &b);
  other.options.max_length = 128;
  queue->submit(std::move(other));
  engine_.allow(3);
  a.get_future().get();
  b.get_future().get();
  EXPECT_EQ(engine_.wait_for_calls(3)[1], std::vector<std::string>{"a"});
}

TEST_F(ScoreQueueTest, ErrorsNameThePairOfTheirRequest) {
  const auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> done;
  queue->submit(task("x", 1, nullptr));
  engine_.wait_for_calls(1);
  queue->submit(task("a", 3, nullptr));
  ScoreTask bad = task("b", 2, &done);
  bad.texts.push_back("bad");
  bad.pairs[1].passage = 2;
  queue->submit(std::move(bad));
  engine_.allow(2);
  const auto scores = done.get_future().get();
  EXPECT_TRUE(scores[0].ok());
  ASSERT_FALSE(scores[1].ok());
  EXPECT_EQ(scores[1].error().where, "pair 1") << "it was the fifth of the call";
}

TEST_F(ScoreQueueTest, OptionsThatFitNoPairAreTheErrorOfAll) {
  const auto queue = make(kTenPairs);
  engine_.fail();
  engine_.allow(1);
  std::promise<std::vector<Result<Score>>> done;
  queue->submit(task("a", 2, &done));
  for (const auto& score : done.get_future().get()) EXPECT_EQ(score.error().where, "--max-length");
}

TEST_F(ScoreQueueTest, WhatNobodyWaitsForIsNotComputed) {
  auto queue = make(kTenPairs);
  const auto never = [](std::vector<Result<Score>>, double) { ADD_FAILURE() << "was cancelled"; };
  ScoreTask running = task("r", 30, nullptr), waiting = task("w", 50, nullptr);
  running.done = waiting.done = never;
  const auto first = queue->submit(std::move(running));
  engine_.wait_for_calls(1);
  const auto second = queue->submit(std::move(waiting));
  EXPECT_TRUE(queue->cancel(second));
  EXPECT_FALSE(queue->cancel(second));
  EXPECT_EQ(queue->waiting_pairs(), 20u);
  EXPECT_TRUE(queue->cancel(first)) << "its call is stopped, as nobody else is in it";
  EXPECT_EQ(queue->waiting_pairs(), 0u);
  engine_.look();
  std::promise<std::vector<Result<Score>>> after;
  queue->submit(task("a", 1, &after));
  engine_.wait_for_calls(2);
  engine_.allow(1);
  EXPECT_EQ(after.get_future().get().size(), 1u);
  queue.reset();
  EXPECT_EQ(engine_.stopped(), 1);
  EXPECT_EQ(metrics_.cancelled_pairs.value(), 80u);
}

TEST_F(ScoreQueueTest, GivesWhatIsScoredToWhoCannotWaitForTheRest) {
  auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> never, other;
  const auto ticket = queue->submit(task("L", 50, &never));
  engine_.allow(1);
  engine_.wait_for_calls(2);
  const auto part = queue->take(ticket);
  ASSERT_TRUE(part);
  ASSERT_EQ(part->scores.size(), 50u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(part->scores[i].has_value(), i < 10) << i;
  EXPECT_GE(part->queue_seconds, 0);
  EXPECT_EQ(metrics_.cancelled_pairs.value(), 40u);
  EXPECT_EQ(queue->waiting_pairs(), 0u);
  EXPECT_FALSE(queue->take(ticket)) << "once";
  engine_.look();
  queue->submit(task("s", 2, &other));
  engine_.allow(1);
  EXPECT_EQ(other.get_future().get().size(), 2u);
  queue.reset();
  EXPECT_EQ(engine_.stopped(), 1);
}

TEST_F(ScoreQueueTest, ACallGoesOnForThoseWhoStay) {
  const auto queue = make(kTenPairs);
  queue->submit(task("x", 1, nullptr));
  engine_.wait_for_calls(1);
  std::promise<std::vector<Result<Score>>> stays;
  const auto leaves = queue->submit(task("l", 2, nullptr));
  queue->submit(task("s", 2, &stays));
  engine_.allow(1);
  EXPECT_EQ(engine_.wait_for_calls(2)[1].size(), 4u);
  EXPECT_TRUE(queue->cancel(leaves));
  engine_.allow(1);
  for (const auto& score : stays.get_future().get()) EXPECT_TRUE(score.ok());
  EXPECT_EQ(engine_.stopped(), 0);
}

TEST_F(ScoreQueueTest, EndsWithoutAWord) {
  auto queue = make(kTenPairs);
  ScoreTask large = task("L", 100, nullptr);
  large.done = [](std::vector<Result<Score>>, double) { ADD_FAILURE(); };
  queue->submit(std::move(large));
  engine_.wait_for_calls(1);
  std::thread looks([&] {
    for (int i = 0; i < 1000 && engine_.stopped() == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      engine_.look();
    }
  });
  queue.reset();
  looks.join();
  EXPECT_EQ(engine_.stopped(), 1);
}

TEST_F(ScoreQueueTest, EachPairIsToldToWhoWantsToHear) {
  const auto queue = make(kTenPairs);
  std::promise<std::vector<Result<Score>>> done;
  ScoreTask asks = task("a", 25, &done);
  std::atomic<int> heard{0};
  asks.on_score = [&](std::size_t, const Result<Score>& score) { heard += score.ok(); };
  engine_.allow(3);
  queue->submit(std::move(asks));
  EXPECT_EQ(done.get_future().get().size(), 25u);
  EXPECT_EQ(heard, 25);
}

}  // namespace
}  // namespace rerank::server
