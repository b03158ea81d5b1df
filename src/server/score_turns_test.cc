#include "server/score_turns.h"

#include <gtest/gtest.h>

namespace rerank::server {
namespace {

// An empty text is estimated at the template's 4 tokens: ten pairs a batch, two a short call.
constexpr ScoreQueueOptions kTenPairs{.batch_tokens = 40, .short_tokens = 8, .calls = 2};

class ScoreTurnsTest : public ::testing::Test {
 protected:
  std::shared_ptr<ScoreEntry> add(const std::string& name, std::size_t pairs, ScoreOptions options = {}) {
    ScoreTask task;
    task.texts = {name, ""};
    task.pairs.assign(pairs, {0, 1});
    task.options = std::move(options);
    auto entry = std::make_shared<ScoreEntry>(std::move(task));
    turns_.add(entry);
    return entry;
  }
  // The names of the next batch's pairs, which stays in flight.
  std::string take() {
    if (!turns_.can_take()) return "nothing";
    flying_.push_back(turns_.take());
    std::string names;
    for (const Pair& pair : flying_.back().pairs) names += pair.query;
    return names;
  }
  void end(std::size_t batch_idx) { turns_.end(flying_[batch_idx]); }
  std::string take_alone() {
    std::string names = take();
    end(flying_.size() - 1);
    return names;
  }

  ScoreTurns turns_{kTenPairs};
  std::vector<ScoreBatch> flying_;
};

TEST_F(ScoreTurnsTest, SmallOnesShareACall) {
  add("a", 3);
  add("b", 2);
  add("c", 8);
  EXPECT_EQ(turns_.waiting_pairs(), 13u);
  EXPECT_EQ(take(), "aaabbccccc");
  EXPECT_EQ(take(), "ccc");
  EXPECT_EQ(turns_.waiting_pairs(), 0u);
  EXPECT_EQ(turns_.waiting_bytes(), 0u);
  EXPECT_EQ(take(), "nothing");
}

TEST_F(ScoreTurnsTest, NobodySharesACallWithALargeOne) {
  add("s", 1);
  add("L", 25);
  add("t", 2);
  EXPECT_EQ(take_alone(), "stt");
  EXPECT_EQ(take(), "LL");
}

TEST_F(ScoreTurnsTest, SmallOnesHaveOneMoreCallWhileLargeOnesHoldAll) {
  add("L", 1000);
  EXPECT_EQ(take(), "LLLLLLLLLL");
  EXPECT_EQ(take(), "LLLLLLLLLL");
  EXPECT_EQ(take(), "nothing") << "it is for small ones";
  add("M", 1000);
  EXPECT_EQ(take(), "nothing");
  add("s", 4);
  EXPECT_EQ(take(), "ssss");
  add("t", 4);
  EXPECT_EQ(take(), "nothing") << "one more, and not one each";
  end(2);
  EXPECT_EQ(take(), "tttt");
}

TEST_F(ScoreTurnsTest, SmallOnesAloneHaveNoMoreCallsThanOthers) {
  for (const char* name : {"a", "b", "c"}) add(name, 10);
  EXPECT_EQ(take(), "aaaaaaaaaa");
  EXPECT_EQ(take(), "bbbbbbbbbb");
  EXPECT_EQ(take(), "nothing");
}

TEST_F(ScoreTurnsTest, ALargeOneHasItsTurnInShortCallsWhileSmallOnesCome) {
  add("s", 1);
  EXPECT_EQ(take_alone(), "s");
  add("L", 200);
  add("M", 200);
  std::string taken;
  for (int call = 0; call < 10; ++call) taken += take_alone();
  EXPECT_EQ(taken, "LLLLLLLLLLMMMMMMMMMM") << "as many pairs as in one long call";
  EXPECT_EQ(take_alone(), "LL");
}

TEST_F(ScoreTurnsTest, CallsAreLongAgainOnceNoSmallOnesCome) {
  add("s", 1);
  take_alone();
  add("L", 1000);
  int short_calls = 0;
  while (take_alone() == "LL") ++short_calls;
  EXPECT_EQ(short_calls, 40) << "of 8 batches";
  EXPECT_EQ(take_alone(), "LLLLLLLLLL");
  add("s", 1);
  std::string names;
  do names = take_alone();
  while (names != "s");
  EXPECT_EQ(take_alone(), "LL");
}

TEST_F(ScoreTurnsTest, WhatIsLeftOfALargeOneIsSmall) {
  add("L", 14);
  add("s", 2);
  EXPECT_EQ(take_alone(), "LLLLLLLLLL");
  EXPECT_EQ(take_alone(), "ssLLLL");
}

TEST_F(ScoreTurnsTest, LargeOnesTakeTurnsWithSmallOnes) {
  add("L", 100);
  add("s", 10);
  add("t", 10);
  EXPECT_EQ(take_alone(), "LLLLLLLLLL");
  EXPECT_EQ(take_alone(), "ssssssssss");
  EXPECT_EQ(take_alone(), "tttttttttt");
  EXPECT_EQ(take_alone(), "LL");
}

TEST_F(ScoreTurnsTest, OnlyTheSameSettingsGoTogether) {
  add("a", 1);
  add("b", 1, {.max_length = 128});
  add("c", 1);
  EXPECT_EQ(take(), "ac");
  EXPECT_EQ(take(), "b");
}

TEST_F(ScoreTurnsTest, WhatIsDroppedIsNotTaken) {
  const auto dropped = add("a", 3);
  add("b", 2);
  turns_.drop(dropped);
  EXPECT_EQ(turns_.waiting_pairs(), 2u);
  EXPECT_EQ(take(), "bb");
  const auto half = add("L", 30);
  EXPECT_EQ(take(), "LL");
  turns_.drop(half);
  EXPECT_EQ(turns_.waiting_pairs(), 0u);
}

TEST_F(ScoreTurnsTest, APairThatIsLongerThanABatchIsOne) {
  ScoreTask task;
  task.texts = {"q", std::string(1000, 'x')};
  task.pairs.assign(2, {0, 1});
  turns_.add(std::make_shared<ScoreEntry>(std::move(task)));
  EXPECT_EQ(take_alone(), "q");
  EXPECT_EQ(take_alone(), "q");
  EXPECT_EQ(take(), "nothing");
}

// It is cut to few tokens, but nobody shares a call with it, and its thread.
TEST_F(ScoreTurnsTest, ATextThatTakesLongToTokenizeIsLarge) {
  ScoreTask task;
  task.texts = {"q", std::string(100'000, 'x')};
  task.pairs.assign(1, {0, 1});
  task.options.max_length = 10;
  turns_.add(std::make_shared<ScoreEntry>(std::move(task)));
  add("s", 2);
  EXPECT_EQ(take(), "q");
  EXPECT_EQ(take(), "ss");
}

TEST_F(ScoreTurnsTest, LearnsHowManyTokensTextsHave) {
  add("x", 1);
  take_alone();
  for (int i = 0; i < 100; ++i) turns_.learn(100, 100);
  ScoreTask task;
  task.texts = {"q", std::string(15, 'x')};  // 16 bytes: 8 tokens before, 20 now
  task.pairs.assign(4, {0, 1});
  turns_.add(std::make_shared<ScoreEntry>(std::move(task)));
  flying_.clear();
  EXPECT_EQ(take_alone().size(), 1u) << "a short call";
  EXPECT_NEAR(static_cast<double>(flying_[0].tokens), 20, 1);
}

TEST(SameSettings, LooksAtEverything) {
  ScoreOptions a, b;
  EXPECT_TRUE(same_settings(a, b));
  b.on_tokens = [](std::uint64_t) { return true; };
  EXPECT_TRUE(same_settings(a, b));
  b.prompt = "other";
  EXPECT_FALSE(same_settings(a, b));
  a.prompt = "other";
  EXPECT_TRUE(same_settings(a, b));
  b.compress_layers = {8, 16};
  EXPECT_FALSE(same_settings(a, b));
}

}  // namespace
}  // namespace rerank::server
