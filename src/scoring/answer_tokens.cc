#include "scoring/answer_tokens.h"

#include <fmt/format.h>

#include <string>

#include "base/try.h"

namespace rerank::scoring {

Result<std::int32_t> answer_token(const tokenizer::Tokenizer& tokenizer, std::string_view answer) {
  RERANK_ASSIGN(const auto ids, tokenizer.encode_ids(answer));
  // A token for whatever is unknown is no answer; a space before the word may be part of the token.
  const std::string spelled = tokenizer.decode(ids, false);
  const bool known = spelled == answer || (spelled.starts_with(' ') && std::string_view(spelled).substr(1) == answer);
  if (ids.size() == 1 && known) return ids.front();
  const std::string found = ids.size() == 1 ? fmt::format("the token {} (\"{}\")", ids.front(), spelled)
                                            : fmt::format("{} tokens ({})", ids.size(), fmt::join(ids, ", "));
  return Error{Error::Code::kUnsupported,
               fmt::format("the answer \"{}\" is {}, expected one token for it", answer, found), "tokenizer.json",
               "choose an answer that is a token of this model"};
}

Result<std::vector<std::int32_t>> digit_tokens(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::int32_t> digits;
  for (int digit = 1; digit <= 7; ++digit) {
    RERANK_ASSIGN(const std::int32_t token, answer_token(tokenizer, std::to_string(digit)));
    digits.push_back(token);
  }
  return digits;
}

}  // namespace rerank::scoring
