#include "scoring/truncation.h"

#include <algorithm>
#include <utility>

namespace rerank::scoring {

std::size_t truncate_only_second(std::size_t first, std::size_t second, std::size_t max_length) {
  const std::size_t overflow = first + second - std::min(first + second, max_length);
  return overflow < second ? second - overflow : second;
}

Kept truncate_flagembedding(std::size_t query, std::size_t passage, const PairLimits& limits) {
  const Kept kept{std::min(query, limits.query_max_length), std::min(passage, limits.max_length)};
  return {kept.query, truncate_only_second(kept.query + limits.special_tokens, kept.passage, limits.max_length)};
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
