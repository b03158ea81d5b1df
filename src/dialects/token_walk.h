// The tokens of a text, seen one after the other. Where a token stands takes the tokenizer sixty bytes of memory for
// one of text, so a long text is tokenized a megabyte at a time.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "rerank/engine.h"
#include "rerank/error.h"

namespace rerank::dialects {

// The tokens of a text without special ones, as ModelTokenizer::tokens gives them.
using TokensOf = std::function<Result<std::vector<Token>>(std::string_view text)>;

// So many bytes are tokenized at once, at most. A longer text is parted before white space where there is some near,
// and then few tokenizers know the difference; else between two characters, and there may be a token more.
inline constexpr std::size_t kTokenWindow = std::size_t{1} << 20;

// The end of the first window of `text`.
std::size_t window_end(std::string_view text);

// Calls visit(begin, end) with the bytes of each token; the first error ends it. How many tokens there are.
Result<std::size_t> walk_tokens(std::string_view text, const TokensOf& tokens,
                                const std::function<Status(std::size_t begin, std::size_t end)>& visit);

struct FirstTokens {
  std::size_t count = 0;  // of all tokens
  std::size_t end = 0;    // of the first `most`, or of all
};
Result<FirstTokens> first_tokens(std::string_view text, std::size_t most, const TokensOf& tokens);

struct LastTokens {
  std::size_t count = 0;           // of all tokens
  std::deque<std::size_t> begins;  // of the last `most`, or of all
};
Result<LastTokens> last_tokens(std::string_view text, std::size_t most, const TokensOf& tokens);

// Chunks of `size` tokens, each with the last `overlap` of the one before it, until one has the text's last token.
struct ChunkShape {
  std::size_t size = 1, overlap = 0;  // overlap < size
  std::size_t most = 0;               // chunks; 0: all
};
struct Chunks {
  std::size_t count = 0;                                   // of all tokens
  std::vector<std::pair<std::size_t, std::size_t>> bytes;  // where each chunk begins and ends
  std::size_t tokens_left_out = 0;                         // that are in no chunk, as `most` was reached
};
// `take_room` is asked for the bytes of each chunk; its error ends the search.
Result<Chunks> find_chunks(std::string_view text, const ChunkShape& shape, const TokensOf& tokens,
                           const std::function<Status(std::size_t bytes)>& take_room);

}  // namespace rerank::dialects
