// How the rank1 rerankers say whether a passage is relevant, and how that becomes a score.
// Source: the model card of jhu-clsp/rank1-7b.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "rerank/error.h"
#include "tokenizer/tokenizer.h"

namespace rerank::scoring {

// Generation ends when the text holds one of them.
inline constexpr std::array<std::string_view, 2> kVerdicts = {"</think> true", "</think> false"};

// The log-probabilities that the card and the official code see: those of so many of the likeliest tokens.
inline constexpr std::size_t kVisibleLogprobs = 20;

struct VerdictTokens {
  std::int32_t yes = 0, no = 0;  // " true" and " false"
};

// kUnsupported unless each is a single token.
Result<VerdictTokens> verdict_tokens(const tokenizer::Tokenizer& tokenizer);

// p(true) / (p(true) + p(false)), from log-probabilities; exact also where both are too small for a double.
double verdict_score(double log_yes, double log_no);

}  // namespace rerank::scoring
