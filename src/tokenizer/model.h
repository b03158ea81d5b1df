// What the three kinds of model share: where they write their tokens.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/text.h"

namespace rerank::tokenizer {

// Receives the tokens of one text. Ranges are only wanted for offsets; they count from the start of
// `PreTokenized::text`.
struct TokenSink {
  std::vector<std::int32_t>& ids;
  std::vector<ByteRange>* ranges = nullptr;
  std::uint32_t origin = 0;  // of the piece at hand

  void put(std::int32_t id, std::size_t begin, std::size_t end) {
    ids.push_back(id);
    if (ranges != nullptr)
      ranges->push_back({origin + static_cast<std::uint32_t>(begin), origin + static_cast<std::uint32_t>(end)});
  }
};

// Ids that text must not become, however it is spelled: the control tokens, when the caller asks for plain text.
class BlockedIds {
 public:
  BlockedIds() = default;
  explicit BlockedIds(std::vector<bool> blocked) : blocked_(std::move(blocked)) {}
  bool contains(std::int32_t id) const {
    return static_cast<std::size_t>(id) < blocked_.size() && blocked_[static_cast<std::size_t>(id)];
  }
  bool empty() const { return blocked_.empty(); }

 private:
  std::vector<bool> blocked_;
};

}  // namespace rerank::tokenizer
