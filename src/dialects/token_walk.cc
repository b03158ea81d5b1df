#include "dialects/token_walk.h"

#include "base/try.h"

namespace rerank::dialects {
namespace {

// How far before the end of a window white space is looked for.
constexpr std::size_t kNear = std::size_t{64} << 10;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool is_inside_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

}  // namespace

std::size_t window_end(std::string_view text) {
  if (text.size() <= kTokenWindow) return text.size();
  for (std::size_t end = kTokenWindow; end > kTokenWindow - kNear; --end)
    if (is_space(text[end]) && !is_space(text[end - 1])) return end;
  std::size_t end = kTokenWindow;
  while (end > 1 && is_inside_character(text[end])) --end;
  return end;
}

Result<std::size_t> walk_tokens(std::string_view text, const TokensOf& tokens,
                                const std::function<Status(std::size_t begin, std::size_t end)>& visit) {
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::string_view window = text.substr(begin, window_end(text.substr(begin)));
    RERANK_ASSIGN(const auto found, tokens(window));
    for (const Token& token : found) RERANK_TRY(visit(begin + token.begin, begin + token.end));
    count += found.size();
    begin += window.size();
  }
  return count;
}

Result<FirstTokens> first_tokens(std::string_view text, std::size_t most, const TokensOf& tokens) {
  FirstTokens first;
  std::size_t seen = 0;
  RERANK_ASSIGN(first.count, walk_tokens(text, tokens, [&](std::size_t, std::size_t end) {
                  if (seen++ < most) first.end = end;
                  return Status();
                }));
  return first;
}

Result<LastTokens> last_tokens(std::string_view text, std::size_t most, const TokensOf& tokens) {
  LastTokens last;
  RERANK_ASSIGN(last.count, walk_tokens(text, tokens, [&](std::size_t begin, std::size_t) {
                  last.begins.push_back(begin);
                  if (last.begins.size() > most) last.begins.pop_front();
                  return Status();
                }));
  return last;
}

Result<Chunks> find_chunks(std::string_view text, const ChunkShape& shape, const TokensOf& tokens,
                           const std::function<Status(std::size_t bytes)>& take_room) {
  Chunks found;
  const std::size_t step = shape.size - shape.overlap;
  std::deque<std::size_t> open;  // the begins of chunks that have no end yet; chunk i begins with token i * step
  std::size_t token_idx = 0, last_end = 0;
  const auto close_first = [&](std::size_t end) {
    found.bytes.emplace_back(open.front(), end);
    open.pop_front();
    return take_room(end - found.bytes.back().first);
  };
  RERANK_ASSIGN(found.count, walk_tokens(text, tokens, [&](std::size_t begin, std::size_t end) -> Status {
                  const bool is_wanted = shape.most == 0 || found.bytes.size() + open.size() < shape.most;
                  if (token_idx % step == 0 && is_wanted) open.push_back(begin);
                  last_end = end;
                  ++token_idx;
                  if (!open.empty() && token_idx == found.bytes.size() * step + shape.size) return close_first(end);
                  return {};
                }));
  const std::size_t covered = found.bytes.empty() ? 0 : (found.bytes.size() - 1) * step + shape.size;
  if (covered == found.count) return found;
  if (open.empty()) {
    found.tokens_left_out = found.count - covered;
  } else {
    RERANK_TRY(close_first(last_end));
  }
  return found;
}

}  // namespace rerank::dialects
