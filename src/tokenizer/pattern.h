// The patterns of tokenizer.json: a plain string, or a regular expression in Oniguruma's dialect.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "rerank/error.h"
#include "tokenizer/text.h"

namespace rerank::tokenizer {

// Compiled once, immutable, shared between threads.
class Pattern {
 public:
  // {"String": "..."} or {"Regex": "..."}. kUnsupported shows the construct that cannot be run.
  static Result<Pattern> read(const io::Json& json);
  static Pattern literal(std::string text);
  static Result<Pattern> regex(std::string_view expression, std::string where);

  // All matches from left to right; none overlap, and none is empty right behind another. kBadInput when the expression
  // backtracks without end on this text.
  Status find(std::string_view text, std::vector<ByteRange>& matches) const;

  bool is_regex() const { return compiled_ != nullptr; }
  // The text of the pattern as the file has it.
  const std::string& source() const { return source_; }

 private:
  struct Compiled;
  std::string source_;
  std::string where_;
  std::shared_ptr<const Compiled> compiled_;  // null for a plain string
};

// Rewrites an expression for PCRE2 so that it means there what it means to Oniguruma: every class such as \s or \p{L}
// becomes the ranges of our own tables, and constructs that the two read differently are refused.
Result<std::string> translate_regex(std::string_view expression, const std::string& where);

}  // namespace rerank::tokenizer
