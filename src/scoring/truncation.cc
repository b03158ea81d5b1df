#include "scoring/truncation.h"

#include <algorithm>
#include <utility>

namespace rerank::scoring {

Kept truncate_flagembedding(std::size_t query, std::size_t passage, const PairLimits& limits) {
  Kept kept{std::min(query, limits.query_max_length), std::min(passage, limits.max_length)};
  const std::size_t total = kept.query + kept.passage + limits.special_tokens;
  if (total <= limits.max_length) return kept;
  const std::size_t overflow = total - limits.max_length;
  if (overflow < kept.passage) kept.passage -= overflow;
  return kept;
}

Kept truncate_longest_first(std::size_t query, std::size_t passage, const PairLimits& limits) {
  if (query + passage + limits.special_tokens <= limits.max_length) return {query, passage};
  const std::size_t target = limits.max_length - std::min(limits.max_length, limits.special_tokens);
  std::size_t shorter = query, longer = passage;
  const bool swapped = shorter > longer;
  if (swapped) std::swap(shorter, longer);
  longer = shorter > target ? shorter : std::max(shorter, target - shorter);
  if (shorter + longer > target) {
    shorter = target / 2;
    longer = shorter + target % 2;
  }
  if (swapped) std::swap(shorter, longer);
  return {shorter, longer};
}

}  // namespace rerank::scoring
