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

// The text of a token sequence while it grows: whole characters, and nothing that a stop string may begin with.
class TextStream {
 public:
  // Borrows the tokenizer.
  TextStream(const tokenizer::Tokenizer& tokenizer, std::vector<std::string> stops, bool skip_special_tokens);

  // The text that is sure with this token, and was not before; often none.
  std::string add(std::int32_t token);
  // What is missing of the sequence's text, once that is known.
  std::string finish(std::string_view text);

 private:
  std::size_t sure_bytes(std::string_view text) const;

  const tokenizer::Tokenizer* tokenizer_;
  std::vector<std::string> stops_;
  bool skip_special_tokens_;
  // The tokens whose text has been taken, as far as the next ones need them for their own, and those after them.
  std::vector<std::int32_t> ids_;
  std::size_t taken_ = 0;  // of ids_
  std::string held_;       // taken, but not given yet
  std::size_t given_ = 0;  // bytes
};

}  // namespace rerank
