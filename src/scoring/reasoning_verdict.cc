#include "scoring/reasoning_verdict.h"

#include <cmath>

#include "base/try.h"
#include "scoring/answer_tokens.h"

namespace rerank::scoring {
namespace {

Result<std::int32_t> verdict_token(const tokenizer::Tokenizer& tokenizer, std::string_view verdict) {
  auto token = answer_token(tokenizer, verdict);
  if (!token.ok()) token.error().fix = "reasoning needs a model that was trained to answer with it, such as rank1";
  return token;
}

}  // namespace

Result<VerdictTokens> verdict_tokens(const tokenizer::Tokenizer& tokenizer) {
  VerdictTokens tokens;
  RERANK_ASSIGN(tokens.yes, verdict_token(tokenizer, " true"));
  RERANK_ASSIGN(tokens.no, verdict_token(tokenizer, " false"));
  return tokens;
}

double verdict_score(double log_yes, double log_no) {
  return 1 / (1 + std::exp(log_no - log_yes));
}

}  // namespace rerank::scoring
