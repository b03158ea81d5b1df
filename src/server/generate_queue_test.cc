#include "server/generate_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <span>
#include <string>
#include <string_view>

namespace rerank::server {
namespace {

using Texts = Result<std::vector<Result<GeneratedText>>>;

// A generator that writes each prompt back, a letter a pass, as soon as it may. As TextGenerator it goes through the
// model with all prompts of a call together, and asks after each pass whether it is to go on.
class FakeGenerator {
 public:
  Texts generate(std::span<const std::string_view> prompts, const GenerateOptions& options) {
    std::unique_lock lock(mutex_);
    ++begun_;
    most_at_once_ = std::max(most_at_once_, ++running_);
    changed_.notify_all();
    while (!changed_.wait_for(lock, kPass, [&] { return open_; })) {
      // A pass that writes nothing yet: a queue that is asked here can end the call.
      if (!options.on_tokens(0)) break;
    }
    const bool open = open_;
    lock.unlock();
    Texts texts = open ? write(prompts, options) : Texts(given_up(prompts.size()));
    lock.lock();
    --running_;
    return texts;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_calls(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return begun_ >= count; }));
  }
  int begun() const {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  int most_at_once() const {
    const std::lock_guard lock(mutex_);
    return most_at_once_;
  }

 private:
  static constexpr std::chrono::milliseconds kPass{1};

  static Error error_of(const std::string& what, std::size_t prompt_idx) {
    return Error{Error::Code::kBadInput, what, "prompt " + std::to_string(prompt_idx), ""};
  }
  static std::vector<Result<GeneratedText>> given_up(std::size_t count) {
    std::vector<Result<GeneratedText>> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back(error_of("given up", i));
    return texts;
  }

  static Texts write(std::span<const std::string_view> prompts, const GenerateOptions& options) {
    if (options.max_new_tokens < 0) return Error{Error::Code::kBadInput, "is negative", "max_new_tokens", ""};
    std::vector<Result<GeneratedText>> texts = given_up(prompts.size());
    std::size_t longest = 0;
    for (const std::string_view prompt : prompts) longest = std::max(longest, prompt.size());
    std::uint64_t written = 0;
    for (std::size_t step = 0; step <= longest; ++step) {
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        if (step < prompts[i].size() && prompts[i] != "bad") {
          ++written;
          if (options.on_text && !options.on_text(i, TextDelta{std::string(1, prompts[i][step]), {}, {}})) return texts;
        } else if (step == prompts[i].size()) {
          if (prompts[i] == "bad")
            texts[i] = error_of("is bad", i);
          else
            texts[i] = GeneratedText{std::string(prompts[i]), {}, {}};
          if (!options.on_done(i, texts[i])) return texts;
        }
      }
      if (!options.on_tokens(written)) return texts;
    }
    return texts;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0, running_ = 0, most_at_once_ = 0;
  bool open_ = false;
};

class GenerateQueueTest : public ::testing::Test {
 protected:
  std::unique_ptr<GenerateQueue> make(int calls) {
    return std::make_unique<GenerateQueue>(
        [this](std::span<const std::string_view> prompts, const GenerateOptions& options) {
          return generator_.generate(prompts, options);
        },
        calls);
  }

  // A task and what came of it.
  struct Asked {
    std::promise<Texts> promise;
    std::future<Texts> texts = promise.get_future();
    GenerateQueue::Cancelled cancelled;
  };
  static GenerateTask task(std::vector<std::string> prompts, Asked& asked) {
    GenerateTask task;
    task.prompts = std::move(prompts);
    task.done = [&asked](Texts texts, double queue_s) {
      EXPECT_GE(queue_s, 0);
      asked.promise.set_value(std::move(texts));  // throws when called twice
    };
    return task;
  }
  static void submit(GenerateQueue& queue, std::vector<std::string> prompts, Asked& asked) {
    asked.cancelled = queue.submit(task(std::move(prompts), asked));
  }

  FakeGenerator generator_;
};

// What the generator writes is what comes back.
void expect_texts(const Texts& texts, const std::vector<std::string>& expected) {
  ASSERT_TRUE(texts.ok()) << texts.error().message();
  ASSERT_EQ(texts.value().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(texts.value()[i].ok()) << texts.value()[i].error().message();
    EXPECT_EQ(texts.value()[i].value().text, expected[i]);
  }
}

TEST_F(GenerateQueueTest, RunsAsManyCallsAtATimeAsItMay) {
  const auto queue = make(3);
  std::vector<Asked> asked(8);
  for (std::size_t i = 0; i < asked.size(); ++i) submit(*queue, {"text " + std::to_string(i), "more"}, asked[i]);
  generator_.wait_for_calls(3);
  EXPECT_EQ(queue->waiting(), 5u);
  generator_.open();
  for (std::size_t i = 0; i < asked.size(); ++i)
    expect_texts(asked[i].texts.get(), {"text " + std::to_string(i), "more"});
  EXPECT_EQ(generator_.most_at_once(), 3);
  EXPECT_EQ(queue->waiting(), 0u);
}

TEST_F(GenerateQueueTest, TellsThePiecesOfEachTextInTheirOrder) {
  generator_.open();
  const auto queue = make(2);
  const std::vector<std::string> prompts{"a panda", "", "eats bamboo"};
  struct Told {
    std::vector<std::string> pieces = std::vector<std::string>(3), whole = std::vector<std::string>(3);
    std::vector<std::size_t> done;
  };
  std::vector<Told> told(4);
  std::vector<Asked> asked(told.size());
  for (std::size_t t = 0; t < told.size(); ++t) {
    GenerateTask task = this->task(prompts, asked[t]);
    task.options.on_text = [&told = told[t]](std::size_t prompt_idx, const TextDelta& delta) {
      EXPECT_EQ(told.whole[prompt_idx], "") << "a piece after the whole";
      told.pieces[prompt_idx] += delta.text;
      return true;
    };
    task.on_done = [&told = told[t]](std::size_t prompt_idx, const Result<GeneratedText>& text) {
      told.done.push_back(prompt_idx);
      told.whole[prompt_idx] = text.value().text;
    };
    queue->submit(std::move(task));
  }
  for (std::size_t t = 0; t < told.size(); ++t) {
    expect_texts(asked[t].texts.get(), prompts);
    EXPECT_EQ(told[t].pieces, prompts);
    EXPECT_EQ(told[t].whole, prompts);
    EXPECT_EQ(told[t].done, (std::vector<std::size_t>{1, 0, 2})) << "the shortest first, each once";
  }
}

TEST_F(GenerateQueueTest, AnErrorIsItsPromptsOwn) {
  generator_.open();
  const auto queue = make(1);
  Asked mixed, after;
  std::vector<std::size_t> failed;
  GenerateTask task = this->task({"first", "bad", "third"}, mixed);
  task.on_done = [&](std::size_t prompt_idx, const Result<GeneratedText>& text) {
    if (!text.ok()) failed.push_back(prompt_idx);
  };
  queue->submit(std::move(task));
  submit(*queue, {"after"}, after);
  const Texts texts = mixed.texts.get();
  ASSERT_TRUE(texts.ok());
  EXPECT_EQ(texts.value()[0].value().text, "first");
  EXPECT_EQ(texts.value()[1].error().message(), "prompt 1: is bad");
  EXPECT_EQ(texts.value()[2].value().text, "third");
  EXPECT_EQ(failed, std::vector<std::size_t>{1});
  expect_texts(after.texts.get(), {"after"});
}

TEST_F(GenerateQueueTest, OptionsThatFitNoPromptAreTheTasksError) {
  generator_.open();
  const auto queue = make(1);
  Asked bad, good;
  GenerateTask task = this->task({"text"}, bad);
  task.options.max_new_tokens = -1;
  queue->submit(std::move(task));
  submit(*queue, {"text"}, good);
  const Texts texts = bad.texts.get();
  ASSERT_FALSE(texts.ok());
  EXPECT_EQ(texts.error().where, "max_new_tokens");
  expect_texts(good.texts.get(), {"text"});
}

TEST_F(GenerateQueueTest, ACancelledTaskThatWaitsIsNeverBegun) {
  const auto queue = make(1);
  Asked first, cancelled, last;
  submit(*queue, {"first"}, first);
  generator_.wait_for_calls(1);
  submit(*queue, {"cancelled"}, cancelled);
  submit(*queue, {"last"}, last);
  *cancelled.cancelled = true;
  generator_.open();
  expect_texts(first.texts.get(), {"first"});
  EXPECT_FALSE(cancelled.texts.get().ok());
  expect_texts(last.texts.get(), {"last"});
  EXPECT_EQ(generator_.begun(), 2);
}

TEST_F(GenerateQueueTest, ACancelledTaskThatRunsEndsSoonAndTheOthersGoOn) {
  const auto queue = make(2);
  Asked cancelled, other, next;
  submit(*queue, {"cancelled", "with it"}, cancelled);
  submit(*queue, {"other"}, other);
  generator_.wait_for_calls(2);
  submit(*queue, {"next"}, next);
  *cancelled.cancelled = true;
  const Texts texts = cancelled.texts.get();  // while the generator is closed
  ASSERT_TRUE(texts.ok());
  for (const Result<GeneratedText>& text : texts.value()) EXPECT_FALSE(text.ok());
  generator_.wait_for_calls(3);  // its place is taken
  generator_.open();
  expect_texts(other.texts.get(), {"other"});
  expect_texts(next.texts.get(), {"next"});
}

// The flag is looked at after each text too: a task whose client left after the first is not told of the second.
TEST_F(GenerateQueueTest, NothingIsToldAfterACancelledTasksText) {
  generator_.open();
  const auto queue = make(1);
  Asked asked;
  std::promise<GenerateQueue::Cancelled> flag;
  std::vector<std::size_t> done;
  GenerateTask task = this->task({"a", "bc", "def"}, asked);
  task.on_done = [&, given = flag.get_future().share()](std::size_t prompt_idx, const Result<GeneratedText>&) {
    done.push_back(prompt_idx);
    if (prompt_idx == 1) *given.get() = true;
  };
  flag.set_value(queue->submit(std::move(task)));
  const Texts texts = asked.texts.get();
  EXPECT_EQ(texts.value()[1].value().text, "bc");
  EXPECT_FALSE(texts.value()[2].ok());
  EXPECT_EQ(done, (std::vector<std::size_t>{0, 1}));
}

TEST_F(GenerateQueueTest, ItsEndAnswersEveryTask) {
  auto queue = make(2);
  std::vector<Asked> asked(6);
  for (Asked& one : asked) submit(*queue, {"text"}, one);
  generator_.wait_for_calls(2);
  queue.reset();  // the generator stays closed
  std::size_t in_flight = 0;
  for (Asked& one : asked) {
    ASSERT_EQ(one.texts.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    const Texts texts = one.texts.get();
    in_flight += texts.ok();
    EXPECT_FALSE(texts.ok() && texts.value()[0].ok());
  }
  EXPECT_EQ(in_flight, 2u);
  EXPECT_EQ(generator_.begun(), 2) << "those that waited are not begun any more";
}

}  // namespace
}  // namespace rerank::server
