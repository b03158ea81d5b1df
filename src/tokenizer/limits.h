// The truncation and padding blocks of tokenizer.json. Sources: utils/truncation.rs and utils/padding.rs of the
// library.
#pragma once

#include <cstdint>
#include <optional>

#include "io/json.h"

namespace rerank::tokenizer {

enum class Side { kLeft, kRight };

struct Truncation {
  enum class Strategy { kLongestFirst, kOnlyFirst, kOnlySecond };
  std::size_t max_length = 0;
  Strategy strategy = Strategy::kLongestFirst;
  Side direction = Side::kRight;

  static Result<std::optional<Truncation>> read(const io::Json& root);
};

// How many tokens of each text to keep.
struct Kept {
  std::size_t first = 0, second = 0;
  friend bool operator==(const Kept&, const Kept&) = default;
};

// `first` and `second` (nullopt: no pair) are token counts, `special` what the template adds to them. kBadInput where
// the strategy cannot reach max_length.
Result<Kept> plan_truncation(const Truncation& truncation, std::size_t first, std::optional<std::size_t> second,
                             std::size_t special);

struct Padding {
  std::optional<std::size_t> fixed;  // nullopt: the longest of the batch, so nothing for one encoding
  std::size_t multiple = 0;          // 0: none
  Side direction = Side::kRight;
  std::int32_t id = 0, type_id = 0;

  static Result<std::optional<Padding>> read(const io::Json& root);
  // Tokens that an encoding of `length` tokens has after padding.
  std::size_t padded_length(std::size_t length) const;
};

}  // namespace rerank::tokenizer
