// Looks for stop strings in the text of a growing token sequence, without decoding all of it at every step.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace rerank {

class StopFinder {
 public:
  // Borrows both. No stop string is empty.
  StopFinder(const tokenizer::Tokenizer& tokenizer, std::span<const std::string> stops);

  struct Hit {
    std::string text;      // before the stop string
    std::size_t stop = 0;  // which
  };
  // Call it after each new token; `ids` are all of them. The stop string that comes first in their text, and of those
  // that begin at the same place the one that was named first.
  std::optional<Hit> find(std::span<const std::int32_t> ids);

 private:
  std::optional<std::size_t> first_stop(const std::string& text, std::size_t& at) const;

  const tokenizer::Tokenizer& tokenizer_;
  std::span<const std::string> stops_;
  std::size_t longest_ = 0;  // bytes
  std::size_t begin_ = 0;    // tokens before it are done with
};

}  // namespace rerank
