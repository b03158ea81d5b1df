#include "scoring/prompted_pairs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scoring/test_support.h"

namespace rerank::scoring {
namespace {

using testing::byte_tokenizer;
using testing::kOpen;
using testing::MemoryCheckpoint;

std::string letters(int count) {
  return std::string(static_cast<std::size_t>(count), 'x');  // one token each
}

// Texts as they are, a prompt of 2 tokens; the separator is 1.
ScoreOptions plain_options(int max_length, int query_max_length = 0) {
  ScoreOptions options;
  options.query_instruction = options.passage_instruction = "";
  options.prompt = "zz";
  options.max_length = max_length;
  options.query_max_length = query_max_length;
  return options;
}

Result<EncodedPair> encode(const ScoreOptions& options, const std::string& query, const std::string& passage,
                           int max_positions = 1000, std::optional<std::int32_t> bos = kOpen) {
  const tokenizer::Tokenizer tokenizer = byte_tokenizer();
  const auto encoder = make_prompted_pairs(tokenizer, {bos, "default"}, options, max_positions);
  if (!encoder.ok()) return encoder.error();
  const auto encoded = encoder.value()->encode_query(query);
  if (!encoded.ok()) return encoded.error();
  return encoder.value()->encode(encoded.value(), passage);
}

struct CutCase {
  const char* why;
  Truncation truncation;
  int query_max_length, query, passage;
  std::size_t kept_query, kept_passage;
};
class PromptedCut : public ::testing::TestWithParam<CutCase> {};
INSTANTIATE_TEST_SUITE_P(
    MaxLengthEight, PromptedCut,
    ::testing::Values(CutCase{"fits", Truncation::kFlagEmbedding, 0, 2, 3, 2, 3},
                      CutCase{"the pair may have separator and prompt more", Truncation::kFlagEmbedding, 0, 2, 20, 2,
                              7},
                      CutCase{"three quarters for the query", Truncation::kFlagEmbedding, 0, 20, 20, 6, 3},
                      CutCase{"the passage to max_length first", Truncation::kFlagEmbedding, 1, 20, 20, 1, 8},
                      CutCase{"only the separator stays", Truncation::kFlagEmbedding, 9, 20, 20, 9, 0},
                      CutCase{"nothing would stay: all does", Truncation::kFlagEmbedding, 10, 20, 20, 10, 8},
                      CutCase{"the card cuts to max_length", Truncation::kCard, 0, 2, 20, 2, 4},
                      CutCase{"the card: only the separator stays", Truncation::kCard, 0, 20, 20, 6, 0},
                      CutCase{"the card: nothing would stay", Truncation::kCard, 7, 20, 20, 7, 8},
                      CutCase{"the card: not even the separator", Truncation::kCard, 8, 20, 0, 8, 0}));
TEST_P(PromptedCut, KeepsWhatTheReferenceKeeps) {
  const CutCase& c = GetParam();
  ScoreOptions options = plain_options(8, c.query_max_length);
  options.truncation = c.truncation;
  const auto pair = encode(options, letters(c.query), letters(c.passage));
  ASSERT_TRUE(pair.ok()) << pair.error().message();
  EXPECT_EQ(pair.value().query_tokens, 1 + c.kept_query + 1) << c.why;
  EXPECT_EQ(pair.value().prompt_tokens, 3u) << c.why;
  EXPECT_EQ(pair.value().ids.size(), 1 + c.kept_query + 1 + c.kept_passage + 3) << c.why;
  EXPECT_EQ(pair.value().cut_tokens, static_cast<std::size_t>(c.query + c.passage) - c.kept_query - c.kept_passage)
      << c.why;
}

TEST(PromptedPairs, AreBosQuerySeparatorPassageSeparatorPrompt) {
  const tokenizer::Tokenizer tokenizer = byte_tokenizer();
  const auto text_of = [&](const ScoreOptions& options, std::optional<std::int32_t> bos) {
    const auto pair = encode(options, "q", "p", 1000, bos);
    return pair.ok() ? tokenizer.decode(pair.value().ids, false) : pair.error().message();
  };
  ScoreOptions options;
  EXPECT_EQ(text_of(options, kOpen), "<s>A: q\nB: p\ndefault");
  EXPECT_EQ(text_of(options, std::nullopt), "A: q\nB: p\ndefault");
  options.prompt = "";
  EXPECT_EQ(text_of(options, kOpen), "<s>A: q\nB: p\n");
  options.query_instruction = "Find";
  options.query_instruction_format = "{}:\\n{}";
  options.passage_instruction = "";
  EXPECT_EQ(text_of(options, kOpen), "<s>Find:\nq\np\n");
}

TEST(PromptedPairs, TextThatSpellsAControlTokenBecomesItUnlessToldOtherwise) {
  ScoreOptions options = plain_options(0);
  const auto special = encode(options, "q", "x<s>x");
  options.special_tokens_in_text = false;
  const auto plain = encode(options, "q", "x<s>x");
  ASSERT_TRUE(special.ok() && plain.ok());
  EXPECT_EQ(std::count(special.value().ids.begin(), special.value().ids.end(), kOpen), 2);
  EXPECT_EQ(std::count(plain.value().ids.begin(), plain.value().ids.end(), kOpen), 1);
  EXPECT_EQ(plain.value().ids.size(), special.value().ids.size() + 2);
}

struct RefusedCase {
  ScoreOptions options;
  int max_positions;
  std::string where, message;
};
TEST(PromptedPairs, LengthsThatCannotBeAreRefused) {
  ScoreOptions long_prompt = plain_options(0);
  long_prompt.prompt = letters(30);
  ScoreOptions broken_prompt;
  broken_prompt.prompt = "\xFF";
  for (const RefusedCase& c :
       {RefusedCase{plain_options(-1), 100, "--max-length", "-1 is no number of tokens"},
        RefusedCase{plain_options(8, -1), 100, "--query-max-length", "-1 is no number of tokens"},
        RefusedCase{plain_options(15), 20, "--max-length",
                    "with 6 of separators and prompt, are more than the model's 20"},
        RefusedCase{plain_options(15), 20, "--max-length", "use 14 or less"},
        RefusedCase{plain_options(2147483647), 20, "--max-length", "use 14 or less"},
        RefusedCase{long_prompt, 60, "--prompt", "leave no room within the model's 60 positions"},
        RefusedCase{broken_prompt, 100, "--prompt", "not valid UTF-8"},
        RefusedCase{plain_options(14, 40), 20, "query", "more than the model's 20 positions"}}) {
    const auto pair = encode(c.options, letters(40), letters(5), c.max_positions);
    ASSERT_FALSE(pair.ok()) << c.message;
    EXPECT_EQ(pair.error().code, Error::Code::kBadInput);
    EXPECT_EQ(pair.error().where, c.where);
    EXPECT_NE(pair.error().message().find(c.message), std::string::npos) << pair.error().message();
  }
}

TEST(PromptedPairs, DefaultLengthsAreTheReferencesOrWhatTheModelHas) {
  ScoreOptions options = plain_options(0);
  EXPECT_EQ(encode(options, "q", letters(5000), 4000).value().ids.size(), 512u + 6);
  EXPECT_EQ(encode(options, "q", letters(5000), 100).value().ids.size(), 100u);
  options.truncation = Truncation::kCard;
  EXPECT_EQ(encode(options, "q", letters(5000), 4000).value().ids.size(), 1024u + 3);
}

TEST(PromptedPairs, BadTextsAreRefusedByName) {
  EXPECT_EQ(encode({}, "\xFF", "p").error().where, "query");
  EXPECT_EQ(encode({}, "q", "\xFF").error().where, "passage");
}

TEST(PromptedPairs, WithoutAnyTokenAreRefused) {
  tokenizer::testing::TokenizerJson json;
  json.pre_tokenizer = R"({"type": "BertPreTokenizer"})";  // drops the separator
  const auto tokenizer = tokenizer::Tokenizer::parse(json.text(), "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  ScoreOptions options = plain_options(8);
  options.prompt = "";
  const auto encoder = make_prompted_pairs(tokenizer.value(), {}, options, 100);
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
  EXPECT_TRUE(encoder.value()->encode(encoder.value()->encode_query("").value(), "a").ok());
  const auto empty = encoder.value()->encode(encoder.value()->encode_query("").value(), "");
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, Error::Code::kBadInput);
}

struct BosCase {
  Method method;
  const char* config;
  const char* tokenizer_config;
  std::optional<std::int32_t> bos;
  std::optional<Error::Code> error = {};
};
class Bos : public ::testing::TestWithParam<BosCase> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Bos,
    ::testing::Values(
        BosCase{Method::kYesLogit, "{}", R"({"bos_token": "<s>", "pad_token": "</s>"})", kOpen},
        BosCase{Method::kYesLogit, "{}", R"({"bos_token": {"content": "<s>"}})", kOpen},
        BosCase{Method::kYesLogit, "{}", R"({"bos_token": "<s>", "pad_token": "<s>"})", std::nullopt},
        BosCase{Method::kLayerwise, "{}", R"({"bos_token": "<s>", "pad_token": "<s>"})", kOpen},
        BosCase{Method::kYesLogit, R"({"bos_token_id": 263})", R"({"bos_token": null})", std::nullopt},
        BosCase{Method::kYesLogit, R"({"bos_token_id": 263})", "{}", kOpen},
        BosCase{Method::kYesLogit, R"({"bos_token_id": 263, "pad_token_id": 263})", "{}", std::nullopt},
        BosCase{Method::kYesLogit, "{}", R"({"model_max_length": 1000000000000000019884624838656})", std::nullopt},
        BosCase{Method::kLightweight, "{}", "{}", std::nullopt, Error::Code::kNotFound},
        BosCase{Method::kYesLogit, "{}", R"({"bos_token": "<x>"})", std::nullopt, Error::Code::kCorrupt},
        BosCase{Method::kYesLogit, "{}", R"({"bos_token": 1})", std::nullopt, Error::Code::kCorrupt},
        BosCase{Method::kYesLogit, R"({"bos_token_id": 100000})", "{}", std::nullopt, Error::Code::kCorrupt}));
TEST_P(Bos, IsTheTokenizersUnlessItIsThePadding) {
  const BosCase& c = GetParam();
  const MemoryCheckpoint files(c.config, c.tokenizer_config);
  const io::Checkpoint checkpoint = files.open();
  const tokenizer::Tokenizer tokenizer = byte_tokenizer();
  const auto pairs = read_prompted_pairs(checkpoint, tokenizer, c.method);
  ASSERT_EQ(pairs.ok(), !c.error.has_value()) << (pairs.ok() ? "" : pairs.error().message());
  if (pairs.ok()) {
    EXPECT_EQ(pairs.value().bos, c.bos);
  } else {
    EXPECT_EQ(pairs.error().code, *c.error) << pairs.error().message();
  }
}

}  // namespace
}  // namespace rerank::scoring
