#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "tokenizer/test_tokenizers.h"

namespace rerank::tokenizer {
namespace {

using testing::byte_fallback_json;
using testing::byte_level_json;
using testing::TokenizerJson;
using testing::unigram_json;
using testing::word_piece_json;
using Ids = std::vector<std::int32_t>;

Tokenizer must_parse(const std::string& json) {
  auto parsed = Tokenizer::parse(json, "tokenizer.json");
  if (!parsed.ok()) {
    ADD_FAILURE() << parsed.error().message();
    std::abort();
  }
  return std::move(parsed).value();
}

// --- files that are wrong ---

struct BadFile {
  const char* why;
  std::string json;
  Error::Code code;
  const char* where;  // a part of the path
  const char* what;   // a part of the complaint
};

TokenizerJson with(std::string TokenizerJson::*stage, std::string value, TokenizerJson json = {}) {
  json.*stage = std::move(value);
  return json;
}

std::string word_piece_model(const std::string& vocab) {
  return R"({"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":)" +
         vocab + "}";
}
std::string bpe_model(const std::string& merges, const std::string& more = "") {
  return R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":)" + merges + more + "}";
}

TEST(TokenizerFile, ThatIsWrongNamesPathFoundAndSupported) {
  using T = TokenizerJson;
  constexpr auto kCorrupt = Error::Code::kCorrupt, kUnsupported = Error::Code::kUnsupported;
  std::string long_sequence = R"({"type":"Sequence","normalizers":[)", deep_sequence = "";
  for (int i = 0; i < 1000; ++i) long_sequence += R"({"type":"NFC"},)";
  long_sequence += R"({"type":"NFC"}]})";
  for (int i = 0; i < 100; ++i) deep_sequence += R"({"type":"Sequence","normalizers":[)";
  deep_sequence += R"({"type":"NFC"})";
  for (int i = 0; i < 100; ++i) deep_sequence += "]}";
  const std::string one_special = R"([{"id":5,"content":"<s>","special":true,"normalized":false}])";

  const BadFile cases[] = {
      {"not JSON", "{", kCorrupt, "tokenizer.json", "not valid JSON"},
      {"not an object", "[]", kCorrupt, "tokenizer.json", "expected an object"},
      {"no model", "{}", kCorrupt, "tokenizer.json", "\"model\" is missing"},
      {"a model of another library", with(&T::model, R"({"type":"SentencePiece"})").text(), kUnsupported, "model",
       "\"SentencePiece\" is not supported"},
      {"WordLevel", with(&T::model, R"({"type":"WordLevel","vocab":{}})").text(), kUnsupported, "model", "WordPiece"},
      {"a hole in the vocabulary", with(&T::model, word_piece_model(R"({"u":0,"a":2})")).text(), kCorrupt,
       "model.vocab", "none has id 1"},
      {"two tokens with one id", with(&T::model, word_piece_model(R"({"u":0,"a":1,"b":1})")).text(), kCorrupt,
       "model.vocab", "\"a\" and \"b\" have the same id 1"},
      {"a negative id", with(&T::model, word_piece_model(R"({"u":-1})")).text(), kCorrupt, "model.vocab.u", "-1"},
      {"an enormous id", with(&T::model, word_piece_model(R"({"u":0,"a":2000000000})")).text(), kCorrupt,
       "model.vocab.a", "outside"},
      {"an id that is text", with(&T::model, word_piece_model(R"({"u":"0"})")).text(), kCorrupt, "model.vocab.u",
       "expected a token id"},
      {"no unknown token", with(&T::model, word_piece_model(R"({"a":0})")).text(), kCorrupt, "model",
       "unk_token \"u\""},
      {"merges of an unknown token", with(&T::model, bpe_model(R"(["a b","a c"])")).text(), kCorrupt, "model.merges[1]",
       "\"c\" is not in the vocabulary"},
      {"merges into an unknown token", with(&T::model, bpe_model(R"([["b","a"]])")).text(), kCorrupt, "model.merges[0]",
       "\"ba\" is not in the vocabulary"},
      {"a merge of three", with(&T::model, bpe_model(R"(["a b c"])")).text(), kCorrupt, "model.merges[0]",
       "two tokens"},
      {"a merge that is a number", with(&T::model, bpe_model("[1]")).text(), kCorrupt, "model.merges[0]", "pair"},
      {"dropout", with(&T::model, bpe_model("[]", R"(,"dropout":0.1)")).text(), kUnsupported, "model.dropout",
       "random"},
      {"one text with two ids", with(&T::model, R"({"type":"BPE","vocab":{"a":0,"a":1},"merges":[]})").text(), kCorrupt,
       "model.vocab", "two ids"},
      {"a score that is text", with(&T::model, R"({"type":"Unigram","unk_id":0,"vocab":[["a","b"]]})").text(), kCorrupt,
       "model.vocab[0]", "pair"},
      {"an unk_id beyond the end", with(&T::model, R"({"type":"Unigram","unk_id":1,"vocab":[["a",0]]})").text(),
       kCorrupt, "model.unk_id", "has 1 entries"},
      {"an unknown normalizer", with(&T::normalizer, R"({"type":"Uppercase"})").text(), kUnsupported, "normalizer",
       "BertNormalizer"},
      {"a normalizer without type", with(&T::normalizer, "{}").text(), kCorrupt, "normalizer", "\"type\" is missing"},
      {"an unknown step of a sequence",
       with(&T::normalizer, R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Nmt"}]})").text(),
       kUnsupported, "normalizer.normalizers[1]", "\"Nmt\""},
      {"an enormous sequence", with(&T::normalizer, long_sequence).text(), kUnsupported, "normalizer.normalizers",
       "more than 64"},
      {"a sequence nested too deep", with(&T::normalizer, deep_sequence).text(), kCorrupt, "tokenizer.json", "nested"},
      {"a regex that does not compile",
       with(&T::normalizer, R"({"type":"Replace","pattern":{"Regex":"a("},"content":""})").text(), kCorrupt,
       "normalizer.pattern.Regex", "does not compile"},
      {"a regex that is not known here",
       with(&T::pre_tokenizer,
            R"({"type":"Split","pattern":{"Regex":"\\p{Han}+"},"behavior":"Isolated","invert":false})")
           .text(),
       kUnsupported, "pre_tokenizer.pattern.Regex", "\\p{Han}"},
      {"an unknown behavior",
       with(&T::pre_tokenizer, R"({"type":"Split","pattern":{"String":"a"},"behavior":"Merged"})").text(), kUnsupported,
       "pre_tokenizer.behavior", "MergedWithNext"},
      {"a charsmap that is cut short",
       with(&T::normalizer, R"({"type":"Precompiled","precompiled_charsmap":"ALQCAACEAAAAAACA"})").text(), kCorrupt,
       "normalizer.precompiled_charsmap", "cut short"},
      {"a charsmap that is not base64",
       with(&T::normalizer, R"({"type":"Precompiled","precompiled_charsmap":"%%%%"})").text(), kCorrupt,
       "normalizer.precompiled_charsmap", "base64"},
      {"a prepend scheme that does not fit",
       with(&T::pre_tokenizer, R"({"type":"Metaspace","add_prefix_space":false,"prepend_scheme":"always"})").text(),
       kCorrupt, "pre_tokenizer", "prepend_scheme"},
      {"a template with an unknown special token",
       with(
           &T::post_processor,
           R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]","type_id":0}}],"pair":[],"special_tokens":{}})")
           .text(),
       kCorrupt, "post_processor.single[0].SpecialToken.id", "\"[X]\""},
      {"a template with an id beyond the vocabulary",
       with(&T::post_processor, R"({"type":"BertProcessing","cls":["a",1],"sep":["b",77]})").text(), kCorrupt,
       "post_processor", "77"},
      {"an unknown decoder", with(&T::decoder, R"({"type":"CTC"})").text(), kUnsupported, "decoder", "ByteFallback"},
      {"an added token with another id", with(&T::added_tokens, R"([{"id":9,"content":"<s>"}])").text(), kCorrupt,
       "added_tokens", "by the vocabulary it is 5"},
      {"an added token twice", with(&T::added_tokens, R"([{"id":5,"content":"<s>"},{"id":6,"content":"<s>"}])").text(),
       kCorrupt, "added_tokens", "occurs twice"},
      {"an empty added token", with(&T::added_tokens, R"([{"id":5,"content":""}])").text(), kCorrupt,
       "added_tokens[0].content", "empty"},
      {"an unknown truncation strategy",
       with(&T::truncation, R"({"max_length":5,"strategy":"Shortest","stride":0})").text(), kUnsupported, "truncation",
       "LongestFirst"},
      {"an unknown padding strategy", with(&T::padding, R"({"strategy":"Random"})").text(), kUnsupported,
       "padding.strategy", "BatchLongest"},
  };
  for (const BadFile& c : cases) {
    const auto parsed = Tokenizer::parse(c.json, "tokenizer.json");
    ASSERT_FALSE(parsed.ok()) << c.why;
    const Error& error = parsed.error();
    EXPECT_EQ(error.code, c.code) << c.why << ": " << error.message();
    EXPECT_NE(error.where.find(c.where), std::string::npos) << c.why << ": " << error.message();
    EXPECT_NE((error.what + error.fix).find(c.what), std::string::npos) << c.why << ": " << error.message();
  }
  EXPECT_TRUE(Tokenizer::parse(with(&T::added_tokens, one_special).text(), "x").ok());
}

TEST(TokenizerFile, ThatDoesNotExistIsNotFound) {
  const auto loaded = Tokenizer::load("/nonexistent/tokenizer.json");
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, Error::Code::kNotFound);
}

// --- texts ---

TEST(Encoding, RefusesTextThatIsNotUtf8) {
  const Tokenizer tokenizer = must_parse(byte_level_json().text());
  const auto ids = tokenizer.encode_ids("ab\xFF");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, Error::Code::kBadInput);
  EXPECT_NE(ids.error().what.find("byte 2"), std::string::npos) << ids.error().message();
}

TEST(Encoding, StopsARegexThatBacktracksWithoutEnd) {
  TokenizerJson json;
  json.pre_tokenizer = R"({"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated","invert":false})";
  const Tokenizer tokenizer = must_parse(json.text());
  const auto ids = tokenizer.encode_ids(std::string(64, 'a') + "b");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, Error::Code::kBadInput);
  EXPECT_NE(ids.error().message().find("backtracks"), std::string::npos) << ids.error().message();
}

TEST(Encoding, OfABatchOnManyThreadsEqualsOneByOne) {
  const Tokenizer tokenizer = must_parse(byte_level_json().text());
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 7), 'a') + " ab" + std::to_string(i));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto batch = tokenizer.encode_ids_batch(views, 4);
  ASSERT_TRUE(batch.ok());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(batch.value()[i], tokenizer.encode_ids(texts[i]).value());
  const std::vector<std::string_view> bad = {"a", "\xC0", "\xC1"};
  const auto failed = tokenizer.encode_ids_batch(bad, 2);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().where, "text 1");
}

struct PlainCase {
  const char* why;
  TokenizerJson json;
  const char* text;
  std::int32_t control;
};

TEST(ControlTokens, InTextBecomePlainTextOnRequest) {
  TokenizerJson spelled = byte_level_json();  // here the model itself could make the control token
  spelled.model =
      R"({"type":"BPE","vocab":{"<":0,"s":1,">":2,"<s":3,"<s>":4},"merges":["< s","<s >"],"ignore_merges":true})";
  spelled.pre_tokenizer = spelled.post_processor = "null";
  spelled.added_tokens = R"([{"id":4,"content":"<s>","special":true,"normalized":false}])";
  const PlainCase cases[] = {
      {"byte-level BPE", byte_level_json(), "a<s>b", 263},
      {"a token that takes the spaces before it", byte_level_json(), "a  </s>", 264},
      {"Unigram has the control token as a piece", unigram_json(), "a<s>b", 0},
      {"BPE has merges that spell it", spelled, "<s>", 4},
  };
  for (const PlainCase& c : cases) {
    const Tokenizer tokenizer = must_parse(c.json.text());
    const Ids as_control = tokenizer.encode_ids(c.text).value();
    EXPECT_NE(std::find(as_control.begin(), as_control.end(), c.control), as_control.end()) << c.why;
    const Ids as_text = tokenizer.encode_ids(c.text, {.special_tokens_in_text = false}).value();
    EXPECT_EQ(std::find(as_text.begin(), as_text.end(), c.control), as_text.end()) << c.why;
    EXPECT_FALSE(as_text.empty()) << c.why;
  }
  const Tokenizer lossless = must_parse(byte_level_json().text());
  EXPECT_EQ(lossless.decode(lossless.encode_ids("a<s>b", {.special_tokens_in_text = false}).value(), true), "a<s>b");
}

TEST(Truncation, FollowsStrategyAndDirection) {
  struct Case {
    const char* why;
    const char* truncation;
    const char *a, *b;  // b may be null
    Ids expected;
  };
  // Ids: u 0, a 1, ##a 2, b 3, ab 4; one word a token.
  const Case cases[] = {
      {"fits", R"({"max_length":4,"strategy":"LongestFirst","stride":0})", "a b", "a b", {1, 3, 1, 3}},
      {"the longer one first",
       R"({"max_length":4,"strategy":"LongestFirst","stride":0})",
       "a b a b",
       "b",
       {1, 3, 1, 3}},
      {"both", R"({"max_length":3,"strategy":"LongestFirst","stride":0})", "a a a a", "b b b", {1, 1, 3}},
      {"from the left",
       R"({"max_length":2,"strategy":"LongestFirst","stride":0,"direction":"Left"})",
       "a b ab",
       nullptr,
       {3, 4}},
      {"only the first", R"({"max_length":3,"strategy":"OnlyFirst","stride":0})", "a b ab", "b b", {1, 3, 3}},
      {"only the second", R"({"max_length":3,"strategy":"OnlySecond","stride":0})", "a b", "b a", {1, 3, 3}},
  };
  for (const Case& c : cases) {
    TokenizerJson json = word_piece_json();
    json.truncation = c.truncation;
    const Tokenizer tokenizer = must_parse(json.text());
    const EncodeOptions options{.use_file_truncation = true};
    const auto encoding = c.b == nullptr ? tokenizer.encode(c.a, options) : tokenizer.encode_pair(c.a, c.b, options);
    ASSERT_TRUE(encoding.ok()) << c.why << ": " << encoding.error().message();
    EXPECT_EQ(encoding.value().ids, c.expected) << c.why;
  }
  TokenizerJson json = word_piece_json();
  json.truncation = R"({"max_length":1,"strategy":"OnlyFirst","stride":0})";
  const auto impossible = must_parse(json.text()).encode_pair("a", "b b b", {.use_file_truncation = true});
  ASSERT_FALSE(impossible.ok());
  EXPECT_EQ(impossible.error().code, Error::Code::kBadInput);
}

TEST(Padding, FollowsStrategyAndDirection) {
  struct Case {
    const char* padding;
    Ids ids;
  };
  const Case cases[] = {
      {R"({"strategy":{"Fixed":4},"direction":"Right","pad_id":3})", {1, 4, 3, 3}},
      {R"({"strategy":{"Fixed":4},"direction":"Left","pad_id":3})", {3, 3, 1, 4}},
      {R"({"strategy":"BatchLongest","direction":"Right","pad_id":3})", {1, 4}},
      {R"({"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":3,"pad_id":0})", {1, 4, 0}},
      {R"({"strategy":{"Fixed":1},"direction":"Right","pad_id":3})", {1, 4}},
  };
  for (const Case& c : cases) {
    TokenizerJson json = word_piece_json();
    json.padding = c.padding;
    const auto encoding = must_parse(json.text()).encode("a ab", {.use_file_padding = true});
    ASSERT_TRUE(encoding.ok());
    EXPECT_EQ(encoding.value().ids, c.ids) << c.padding;
    EXPECT_EQ(encoding.value().attention_mask.size(), c.ids.size());
    EXPECT_EQ(encoding.value().offsets.size(), c.ids.size());
  }
}

// Every text that could make a quadratic step show itself, on every kind of model: one such step would run for days,
// and the test runner's time limit ends it.
TEST(Encoding, TakesTimeLinearInTheText) {
  std::string marks = "a", mixed;
  for (int i = 0; i < 1'000'000; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0327";
  for (int i = 0; i < 200'000; ++i) mixed += "\u4E2D\u0915\u094D";
  const std::pair<const char*, std::string> texts[] = {
      {"a word of 10 MB", std::string(10'000'000, 'a')},
      {"a million spaces", std::string(1'000'000, ' ')},
      {"a million spaces and a letter", std::string(1'000'000, ' ') + "a"},
      {"a million line ends", std::string(1'000'000, '\n')},
      {"a million combining marks", marks},
      {"half a million characters of two scripts", mixed},
      {"many control tokens",
       [] {
         std::string text;
         for (int i = 0; i < 200'000; ++i) text += "<s>";
         return text;
       }()},
      {"what begins like a control token", std::string(1'000'000, '<')},
  };
  const TokenizerJson kinds[] = {byte_level_json(), unigram_json(), word_piece_json(), byte_fallback_json()};
  for (const TokenizerJson& kind : kinds) {
    const Tokenizer tokenizer = must_parse(kind.text());
    for (const auto& [why, text] : texts) {
      const auto ids = tokenizer.encode_ids(text);
      ASSERT_TRUE(ids.ok()) << why << ": " << ids.error().message();
    }
  }
}

TEST(Decoding, GivesBackTheTextWhereTheAlphabetIsBytes) {
  const Tokenizer tokenizer = must_parse(byte_level_json().text());
  for (const char* text : {"", "a", " ab  abc\n", "caf\u00E9 \u4E2D\u6587 \U0001F600", "\u0120 \u00AD"}) {
    const Ids ids = tokenizer.encode_ids(text).value();
    EXPECT_EQ(tokenizer.decode(ids, false), text);
  }
  EXPECT_EQ(tokenizer.decode(Ids{-1, 1 << 30, 99999}, false), "");
}

TEST(Vocabulary, IsReachedByTextAndById) {
  const Tokenizer tokenizer = must_parse(byte_level_json().text());
  EXPECT_EQ(tokenizer.vocab_size(), 265u);
  EXPECT_EQ(tokenizer.token_to_id("<s>"), 263);
  EXPECT_EQ(tokenizer.token_to_id("\u0120ab"), 259);
  EXPECT_EQ(tokenizer.token_to_id("nothing"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(259), "\u0120ab");
  EXPECT_EQ(tokenizer.id_to_token(264), "</s>");
  EXPECT_EQ(tokenizer.id_to_token(265), std::nullopt);
  EXPECT_EQ(tokenizer.special_tokens_of_single(), 1u);
  EXPECT_EQ(tokenizer.special_tokens_of_pair(), 2u);
}

}  // namespace
}  // namespace rerank::tokenizer
