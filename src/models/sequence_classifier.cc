#include "models/sequence_classifier.h"

#include <algorithm>

namespace rerank::models {

std::size_t RaggedBatch::longest() const {
  std::size_t longest = 0;
  for (std::size_t pair_idx = 0; pair_idx < pairs(); ++pair_idx)
    longest = std::max<std::size_t>(longest, cu_seqlens[pair_idx + 1] - cu_seqlens[pair_idx]);
  return longest;
}

void RaggedBatch::add(std::span<const std::int32_t> ids, std::span<const std::int32_t> types) {
  if (cu_seqlens.empty()) cu_seqlens.push_back(0);
  token_ids.insert(token_ids.end(), ids.begin(), ids.end());
  type_ids.insert(type_ids.end(), types.begin(), types.end());
  cu_seqlens.push_back(static_cast<std::uint32_t>(token_ids.size()));
}

}  // namespace rerank::models
