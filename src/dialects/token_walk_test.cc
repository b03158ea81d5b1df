#include "dialects/token_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace rerank::dialects {
namespace {

// Words between spaces. Remembers how much it was given at once.
class Words {
 public:
  TokensOf function() {
    return [this](std::string_view text) -> Result<std::vector<Token>> {
      largest_ = std::max(largest_, text.size());
      std::vector<Token> tokens;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = text.find_first_not_of(' ', at);
        if (begin == std::string_view::npos) break;
        at = std::min(text.find(' ', begin), text.size());
        tokens.push_back({1, "", false, begin, at});
      }
      return tokens;
    };
  }
  std::size_t largest() const { return largest_; }

 private:
  std::size_t largest_ = 0;
};

template <class T>
T value_of(Result<T> result) {
  EXPECT_TRUE(result.ok());
  return std::move(result).value();
}

TEST(TokenWalk, ALongTextIsTheSameInWindows) {
  std::string text;
  while (text.size() < 3 * kTokenWindow) text.append("word").append(std::to_string(text.size())).append("  ");
  Words words;
  const auto whole = value_of(words.function()(text));
  Words watched;
  std::size_t i = 0;
  const auto visit = [&](std::size_t begin, std::size_t end) {
    EXPECT_EQ(begin, whole.at(i).begin);
    EXPECT_EQ(end, whole.at(i++).end);
    return Status();
  };
  EXPECT_EQ(value_of(walk_tokens(text, watched.function(), visit)), whole.size());
  EXPECT_EQ(i, whole.size());
  EXPECT_LE(watched.largest(), kTokenWindow);

  EXPECT_EQ(value_of(first_tokens(text, 300'000, words.function())).end, whole.at(whole.size() - 1).end);
  EXPECT_EQ(value_of(first_tokens(text, 200'000, words.function())).end, whole.at(199'999).end);
  const LastTokens last = value_of(last_tokens(text, 200'000, words.function()));
  EXPECT_EQ(last.count, whole.size());
  EXPECT_EQ(last.begins.size(), 200'000u);
  EXPECT_EQ(last.begins.front(), whole.at(whole.size() - 200'000).begin);
}

TEST(TokenWalk, NoCharacterIsPartedWhereThereIsNoSpace) {
  std::string text = "a";
  while (text.size() < 2 * kTokenWindow) text += "\u5927\u718a\u732b";
  const std::size_t end = window_end(text);
  EXPECT_EQ((end - 1) % 3, 0u);
  EXPECT_GT(end, kTokenWindow - 3);
  EXPECT_EQ(window_end("short"), 5u);
  EXPECT_EQ(window_end(std::string(kTokenWindow, ' ') + "x"), kTokenWindow) << "spaces alone are parted anywhere";
}

TEST(TokenWalk, ShortTexts) {
  Words words;
  const FirstTokens first = value_of(first_tokens("one two three", 2, words.function()));
  EXPECT_EQ(first.count, 3u);
  EXPECT_EQ(first.end, 7u);
  EXPECT_EQ(value_of(first_tokens("one", 2, words.function())).end, 3u);
  EXPECT_EQ(value_of(last_tokens("one two three", 2, words.function())).begins, (std::deque<std::size_t>{4, 8}));
  EXPECT_EQ(value_of(last_tokens("", 2, words.function())).count, 0u);
}

// As a loop over all tokens finds them.
TEST(TokenWalk, ChunksAreThoseOfTheWholeText) {
  Words words;
  for (std::size_t count = 0; count <= 12; ++count)
    for (std::size_t size = 1; size <= 5; ++size)
      for (std::size_t overlap = 0; overlap < size; ++overlap)
        for (std::size_t most = 0; most <= 4; ++most) {
          std::string text;
          for (std::size_t i = 0; i < count; ++i) text.append("w").append(std::to_string(i)).append(" ");
          const auto tokens = value_of(words.function()(text));
          std::vector<std::pair<std::size_t, std::size_t>> expected;
          std::size_t bytes = 0, left_out = 0;
          for (std::size_t begin = 0; begin < count; begin += size - overlap) {
            const std::size_t end = std::min(begin + size, count);
            expected.emplace_back(tokens[begin].begin, tokens[end - 1].end);
            bytes += expected.back().second - expected.back().first;
            if (end == count) break;
            if (expected.size() == most) {
              left_out = count - end;
              break;
            }
          }
          std::size_t asked = 0;
          const Chunks chunks =
              value_of(find_chunks(text, {size, overlap, most}, words.function(), [&](std::size_t more) {
                asked += more;
                return Status();
              }));
          EXPECT_EQ(chunks.count, count);
          EXPECT_EQ(chunks.bytes, expected) << count << ' ' << size << ' ' << overlap << ' ' << most;
          EXPECT_EQ(chunks.tokens_left_out, left_out);
          EXPECT_EQ(asked, bytes);
        }
}

TEST(TokenWalk, AnErrorEndsIt) {
  const Error error{Error::Code::kBadInput, "no", "", ""};
  EXPECT_FALSE(first_tokens("a", 1, [&](std::string_view) -> Result<std::vector<Token>> { return error; }).ok());
  Words words;
  int seen = 0;
  EXPECT_FALSE(walk_tokens("a b c", words.function(), [&](std::size_t, std::size_t) -> Status {
                 ++seen;
                 return error;
               }).ok());
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace rerank::dialects
