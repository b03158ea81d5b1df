// A request's JSON body: every read says what was expected, and is as lenient about spelling as the clients are loose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::dialects {

// Move-only; moving keeps its Json values valid. A member that is null counts as absent everywhere but in has().
class Body {
 public:
  // kBadInput for what is no JSON, is not an object, nests deeper than 64, or repeats a key anywhere.
  static Result<Body> parse(std::string_view text);

  const io::Json& root() const { return root_; }
  bool has(std::string_view key) const;
  std::optional<io::Json> find(std::string_view key) const { return root_.find(key); }

  // true, false, 0, 1, and the strings "true" and "false" in any case.
  Result<std::optional<bool>> flag(std::string_view key) const;
  // Whole numbers from `lowest` to `highest`, also as 3.0.
  Result<std::optional<std::int64_t>> integer(std::string_view key, std::int64_t lowest,
                                              std::int64_t highest = 1 << 30) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<std::string>> text(std::string_view key) const;
  // A list of whole numbers, or one of them.
  Result<std::optional<std::vector<int>>> integers(std::string_view key) const;
  // A list of texts, or one of them.
  Result<std::optional<std::vector<std::string>>> texts(std::string_view key) const;

 private:
  Body(io::JsonParser parser, io::Json root) : parser_(std::move(parser)), root_(std::move(root)) {}

  io::JsonParser parser_;
  io::Json root_;
};

// `value` as a whole number from `lowest` to `highest`.
Result<std::int64_t> whole_number(const io::Json& value, std::int64_t lowest, std::int64_t highest);

}  // namespace rerank::dialects
