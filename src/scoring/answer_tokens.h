// The tokens whose logits or probabilities are the score.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "rerank/error.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

// The token of `answer`, tokenized like a text of its own: "Yes" of the yes-logit. kUnsupported when no single token
// spells it. Source: yes_loc in FlagEmbedding's decoder_only/base.py, which takes the first of several.
Result<std::int32_t> answer_token(const tokenizer::Tokenizer& tokenizer, std::string_view answer);

// The tokens of "1" .. "7". kUnsupported unless each is a single token. Source: idx_tokens in the LB reranker's card.
Result<std::vector<std::int32_t>> digit_tokens(const tokenizer::Tokenizer& tokenizer);

}  // namespace rerank::scoring
