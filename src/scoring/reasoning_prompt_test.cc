#include "scoring/reasoning_prompt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "scoring/end_of_text.h"
#include "scoring/reasoning_verdict.h"
#include "scoring/test_support.h"
#include "support/tiny_causal.h"

namespace rerank::scoring {
namespace {

using testing::byte_tokenizer;
using testing::MemoryCheckpoint;

std::string prompt_text(const ScoreOptions& options, const std::string& query, const std::string& passage) {
  const auto tokenizer = byte_tokenizer();
  const auto prompts = ReasoningPrompts::make(tokenizer, options, 4096);
  EXPECT_TRUE(prompts.ok()) << prompts.error().message();
  const auto prompt = prompts.value().encode(query, passage);
  EXPECT_TRUE(prompt.ok()) << prompt.error().message();
  return prompt.value().text;
}

const std::string kHead =
    "Determine if the following passage is relevant to the query. Answer only with 'true' or 'false'.\n";

TEST(ReasoningPrompt, IsThatOfTheCard) {
  EXPECT_EQ(prompt_text({}, "q {} %s", "p\n"), kHead + "Query: q {} %s\nPassage: p\n\n<think>");
}

TEST(ReasoningPrompt, APromptOfADataSetGoesAroundTheQuery) {
  ScoreOptions options;
  options.prompt = "Is \"FILL_QUERY_HERE\" answered? FILL_QUERY_HERE!";
  EXPECT_EQ(prompt_text(options, "FILL_QUERY_HERE", "p"),
            kHead + "Query: Is \"FILL_QUERY_HERE\" answered? FILL_QUERY_HERE!\nPassage: p\n<think>")
      << "a query that spells the place stays as it is";
  options.query_instruction = "Find ";
  options.passage_instruction = "Text: ";
  EXPECT_EQ(prompt_text(options, "a", "b"),
            kHead + "Query: Is \"Find a\" answered? Find a!\nPassage: Text: b\n<think>");
}

TEST(ReasoningPrompt, TheTokenizerAddsItsOwnTokens) {
  const auto tokenizer = byte_tokenizer();
  const auto prompts = ReasoningPrompts::make(tokenizer, {}, 4096);
  const auto prompt = prompts.value().encode("q", "x<s>y");
  ASSERT_TRUE(prompt.ok()) << prompt.error().message();
  EXPECT_EQ(prompt.value().ids.front(), testing::kOpen);
  EXPECT_EQ(std::count(prompt.value().ids.begin(), prompt.value().ids.end(), testing::kOpen), 2);
  ScoreOptions plain;
  plain.special_tokens_in_text = false;
  const auto plain_prompts = ReasoningPrompts::make(tokenizer, plain, 4096);
  const auto plain_prompt = plain_prompts.value().encode("q", "x<s>y");
  EXPECT_EQ(std::count(plain_prompt.value().ids.begin(), plain_prompt.value().ids.end(), testing::kOpen), 1);
}

// However few new tokens there are, a passage that is too long never costs the verdict its place.
TEST(ReasoningPrompt, ALongPassageLeavesTheVerdictItsPlace) {
  constexpr int kPositions = 300;
  const auto tokenizer = byte_tokenizer();
  for (const int new_tokens : {0, 1, 5, 9, 10, 11, 100}) {
    ScoreOptions options;
    options.max_new_tokens = new_tokens;
    const auto prompts = ReasoningPrompts::make(tokenizer, options, kPositions);
    const auto prompt = prompts.value().encode("q", std::string(400, 'p'));
    ASSERT_TRUE(prompt.ok()) << prompt.error().message();
    const auto forced = prompts.value().encode_forced(prompt.value(), "");
    ASSERT_TRUE(forced.ok()) << forced.error().message();
    const std::size_t verdict = forced.value().size() - prompt.value().ids.size();
    EXPECT_EQ(verdict, std::string_view("\n\n</think>").size());
    EXPECT_EQ(prompt.value().ids.size(), kPositions - std::max<std::size_t>(verdict, new_tokens)) << new_tokens;
  }
}

struct BadOptions {
  const char* why;
  std::function<void(ScoreOptions&)> set;
  const char* where;
};
TEST(ReasoningPrompt, RefusesWhatCannotBe) {
  const BadOptions cases[] = {
      {"more new tokens than context", [](ScoreOptions& o) { o.max_new_tokens = 4096; }, "--max-new-tokens"},
      {"negative new tokens", [](ScoreOptions& o) { o.max_new_tokens = -1; }, "--max-new-tokens"},
      {"negative second thoughts", [](ScoreOptions& o) { o.rethink = -1; }, "--rethink"},
      {"a negative budget", [](ScoreOptions& o) { o.think_budget = -1; }, "--think-budget"},
      {"a context beyond the model's", [](ScoreOptions& o) { o.max_length = 4097; }, "--max-length"},
      {"no place for the query", [](ScoreOptions& o) { o.prompt = "find it"; }, "--prompt"},
      {"a prompt that is not UTF-8", [](ScoreOptions& o) { o.prompt = "FILL_QUERY_HERE\xff"; }, "--prompt"},
  };
  const auto tokenizer = byte_tokenizer();
  for (const BadOptions& bad : cases) {
    ScoreOptions options;
    bad.set(options);
    const auto prompts = ReasoningPrompts::make(tokenizer, options, 4096);
    ASSERT_FALSE(prompts.ok()) << bad.why;
    EXPECT_EQ(prompts.error().code, Error::Code::kBadInput) << bad.why;
    EXPECT_NE(prompts.error().message().find(bad.where), std::string::npos) << prompts.error().message();
  }
}

TEST(ReasoningPrompt, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = byte_tokenizer();
  const auto prompts = ReasoningPrompts::make(tokenizer, {}, 4096);
  EXPECT_EQ(prompts.value().encode("a\xff", "b").error().message(), "query: is not valid UTF-8 at byte 1");
  EXPECT_EQ(prompts.value().encode("a", "bc\xc3").error().message(), "passage: is not valid UTF-8 at byte 2");
}

TEST(ReasoningPrompt, NewTokensAreThoseAskedForOrAShareOfTheContext) {
  const auto tokenizer = byte_tokenizer();
  const auto new_tokens = [&](const ScoreOptions& options, int positions) {
    const auto prompts = ReasoningPrompts::make(tokenizer, options, positions);
    EXPECT_TRUE(prompts.ok()) << prompts.error().message();
    return prompts.value().max_new_tokens();
  };
  EXPECT_EQ(new_tokens({}, 131072), 8192u);
  EXPECT_EQ(new_tokens({}, 16000), 8192u);
  EXPECT_EQ(new_tokens({}, 2000), 1024u);
  ScoreOptions options;
  options.max_new_tokens = 0;
  EXPECT_EQ(new_tokens(options, 2000), 0u);
  options.max_new_tokens = 1999;
  EXPECT_EQ(new_tokens(options, 2000), 1999u);
  options.think_budget = 64;
  EXPECT_EQ(new_tokens(options, 2000), 64u);
  EXPECT_TRUE(ReasoningPrompts::make(tokenizer, options, 2000).value().budget_ends_it());
  options.think_budget = 4000;
  EXPECT_FALSE(ReasoningPrompts::make(tokenizer, options, 2000).value().budget_ends_it());
}

// Lengths around the limit, with characters of one to four bytes, each several tokens.
TEST(ReasoningPrompt, ALongPassageIsCutAtACharacter) {
  const auto tokenizer = byte_tokenizer();
  std::string passage;
  for (int i = 0; i < 20; ++i) passage += "a\xC3\xA4\xE4\xB8\xAD\xF0\x9F\x90\xBC";
  const auto whole = ReasoningPrompts::make(tokenizer, {}, 8192).value().encode("q", passage).value();
  for (int room = static_cast<int>(whole.ids.size()) + 1; room > static_cast<int>(whole.ids.size()) - 60; --room) {
    ScoreOptions options;
    options.max_length = room + 10;
    options.max_new_tokens = 10;
    const auto prompt = ReasoningPrompts::make(tokenizer, options, 8192).value().encode("q", passage);
    ASSERT_TRUE(prompt.ok()) << prompt.error().message();
    EXPECT_LE(prompt.value().ids.size(), static_cast<std::size_t>(room));
    EXPECT_GT(prompt.value().ids.size() + 4, std::min(static_cast<std::size_t>(room), whole.ids.size()));
    EXPECT_EQ(prompt.value().ids.size() + prompt.value().cut_tokens, whole.ids.size());
  }
}

TEST(ReasoningPrompt, AQueryThatLeavesNoRoomIsAnErrorUnlessItMayBeCut) {
  const auto tokenizer = byte_tokenizer();
  ScoreOptions options;
  options.max_length = 200;
  options.max_new_tokens = 20;
  const std::string query(100, 'q');
  const auto prompt = ReasoningPrompts::make(tokenizer, options, 4096).value().encode(query, "passage");
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.error().code, Error::Code::kBadInput);
  EXPECT_NE(prompt.error().what.find("180 are allowed"), std::string::npos) << prompt.error().message();
  options.query_max_length = 10;
  const auto cut = ReasoningPrompts::make(tokenizer, options, 4096).value().encode(query, "passage");
  ASSERT_TRUE(cut.ok()) << cut.error().message();
  EXPECT_EQ(cut.value().cut_tokens, 90u);
  EXPECT_NE(cut.value().text.find("Query: qqqqqqqqqq\n"), std::string::npos);
}

TEST(ReasoningPrompt, ReasoningBeyondThePositionsEndsAtAnEarlierSentence) {
  const auto tokenizer = byte_tokenizer();
  const auto wide = ReasoningPrompts::make(tokenizer, {}, 4096).value();
  const auto prompt = wide.encode("q", "p").value();
  const auto forced_size = [&](const char* text) {
    return static_cast<int>(wide.encode_forced(prompt, text).value().size());
  };
  const std::string reasoning = "One. Two? Three!";
  ScoreOptions options;
  options.max_new_tokens = 1;
  const auto forced_in = [&](int positions) {
    const auto prompts = ReasoningPrompts::make(tokenizer, options, positions);
    EXPECT_TRUE(prompts.ok()) << prompts.error().message();
    return prompts.value().encode_forced(prompt, reasoning);
  };
  EXPECT_EQ(forced_in(forced_size("One. Two? Three!")).value(), wide.encode_forced(prompt, reasoning).value());
  EXPECT_EQ(forced_in(forced_size("One. Two? Three!") - 1).value(), wide.encode_forced(prompt, "One. Two?").value());
  EXPECT_EQ(forced_in(forced_size("One. Two?")).value(), wide.encode_forced(prompt, "One. Two?").value());
  EXPECT_EQ(forced_in(forced_size("One.")).value(), wide.encode_forced(prompt, "One.").value());
  EXPECT_EQ(forced_in(forced_size("")).value(), wide.encode_forced(prompt, "").value());
  EXPECT_EQ(forced_in(forced_size("") - 1).error().code, Error::Code::kBadInput);
}

TEST(ReasoningPrompt, SecondThoughtsStandBehindTheText) {
  EXPECT_EQ(with_second_thoughts(" It is.\n"), " It is.\n\nWait");
  EXPECT_EQ(with_second_thoughts("Yes.</think> so </think>"), "Yes.\nWait");
  EXPECT_EQ(with_second_thoughts(""), "\nWait");
  const auto tokenizer = byte_tokenizer();
  ScoreOptions options;
  options.max_new_tokens = 10;
  const auto prompts = ReasoningPrompts::make(tokenizer, options, 4096).value();
  const auto prompt = prompts.encode("q", "p").value();
  const auto ids = prompts.encode_rethink(prompt, "One..\nWait").value();
  EXPECT_FALSE(ids) << "as long as all new tokens together";
  const auto shorter = prompts.encode_rethink(prompt, "O.\nWait").value();
  ASSERT_TRUE(shorter);
  EXPECT_EQ(shorter->size(), prompt.ids.size() + 7);
  EXPECT_TRUE(std::equal(prompt.ids.begin(), prompt.ids.end(), shorter->begin()));
  EXPECT_EQ(prompts.room_behind(prompt, *shorter), 3u);
}

TEST(WholeSentences, AreThoseOfThePythonCode) {
  EXPECT_EQ(whole_sentences(""), "");
  EXPECT_EQ(whole_sentences(" \n\t"), "");
  EXPECT_EQ(whole_sentences(" no end "), "no end");
  EXPECT_EQ(whole_sentences("\xE3\x80\x80One. Two! Three? Four"), "One. Two! Three?");
  EXPECT_EQ(whole_sentences("\x1F.\n"), ".");
  EXPECT_EQ(whole_sentences("a\xC2\xA0"), "a");
  EXPECT_EQ(whole_sentences("\xE2\x80\x8B"
                            "a"),
            "\xE2\x80\x8B"
            "a")
      << "zero width is no space";
}

TEST(Verdict, ScoresAreProbabilitiesHoweverSmall) {
  EXPECT_DOUBLE_EQ(verdict_score(std::log(0.6), std::log(0.2)), 0.75);
  EXPECT_DOUBLE_EQ(verdict_score(-2000, -2000), 0.5);
  EXPECT_EQ(verdict_score(-2000, -1), 0);
  EXPECT_EQ(verdict_score(-1, -2000), 1);
}

TEST(Verdict, ATokenizerWithoutTheTokensIsRefused) {
  const auto without = verdict_tokens(byte_tokenizer());
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().code, Error::Code::kUnsupported);
  EXPECT_NE(without.error().what.find("\" true\""), std::string::npos) << without.error().message();
  const auto tiny = rerank::testing::TinyCausal::qwen2(false);
  const auto with = verdict_tokens(tokenizer::Tokenizer::parse(tiny.tokenizer_json, "tokenizer.json").value());
  EXPECT_TRUE(with.ok()) << with.error().message();
}

Result<std::vector<std::int32_t>> end_of_text(const char* config) {
  return read_end_of_text(MemoryCheckpoint(config).open(), 10);
}

TEST(EndOfText, IsOneIdOrAList) {
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(end_of_text(R"({"eos_token_id": 9})").value(), Ids{9});
  EXPECT_EQ(end_of_text(R"({"eos_token_id": [2, 0]})").value(), (Ids{2, 0}));
  EXPECT_EQ(end_of_text(R"({"eos_token_id": null})").value(), Ids{});
  EXPECT_EQ(end_of_text("{}").value(), Ids{});
  for (const char* bad : {R"({"eos_token_id": 10})", R"({"eos_token_id": -1})", R"({"eos_token_id": "x"})",
                          R"({"eos_token_id": [1, 2.5]})"})
    EXPECT_EQ(end_of_text(bad).error().code, Error::Code::kCorrupt) << bad;
}

TEST(EndOfText, OfTheGenerationConfigComesFirst) {
  rerank::testing::TinyCausal::Folder folder;
  rerank::testing::TinyCausal::qwen2(false).write(folder);
  const auto read = [&](const char* generation_config) {
    std::ofstream(folder.path / "generation_config.json") << generation_config;
    return read_end_of_text(io::Checkpoint::open(folder.path).value(), 1000);
  };
  EXPECT_EQ(read(R"({"eos_token_id": [1, 2]})").value(), (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(read(R"({"eos_token_id": null})").value(), std::vector<std::int32_t>{});
  EXPECT_EQ(read("{}").value().size(), 1u) << "config.json's";
  EXPECT_EQ(read("{").error().code, Error::Code::kCorrupt);
}

}  // namespace
}  // namespace rerank::scoring
