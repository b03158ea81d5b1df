#include "dialects/body.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/try.h"

namespace rerank::dialects {
namespace {

constexpr const char* kSource = "request";

Error repeated(std::string_view key) {
  return {Error::Code::kBadInput, fmt::format("the key \"{}\" stands there twice", key), kSource,
          "say once what you mean"};
}

// Nesting is bounded by the parser.
Status check_keys(simdjson::dom::element element) {
  if (element.is_array()) {
    for (const simdjson::dom::element item : simdjson::dom::array(element)) RERANK_TRY(check_keys(item));
  } else if (element.is_object()) {
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : simdjson::dom::object(element)) {
      keys.push_back(key);
      RERANK_TRY(check_keys(value));
    }
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) return repeated(*twice);
  }
  return {};
}

bool equal_lower(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

Result<std::int64_t> whole_number(const io::Json& value, std::int64_t lowest, std::int64_t highest) {
  const std::string expected = fmt::format("a whole number from {} to {}", lowest, highest);
  if (value.is_string() || !value.element().is_number()) return value.expected(expected);
  RERANK_ASSIGN(const double number, value.number());
  if (!(number >= static_cast<double>(lowest) && number <= static_cast<double>(highest)) ||
      number != std::floor(number))
    return value.error(Error::Code::kBadInput, fmt::format("is {}, expected {}", number, expected));
  return static_cast<std::int64_t>(number);
}

Result<Body> Body::parse(std::string_view text) {
  io::JsonParser parser;
  RERANK_ASSIGN(io::Json root, parser.parse(text, {kSource, Error::Code::kBadInput}));
  if (!root.is_object()) return root.expected("an object");
  RERANK_TRY(check_keys(root.element()));
  return Body(std::move(parser), std::move(root));
}

bool Body::has(std::string_view key) const {
  simdjson::dom::element ignored;
  return simdjson::dom::object(root_.element()).at_key(key).get(ignored) == simdjson::SUCCESS;
}

Result<std::optional<bool>> Body::flag(std::string_view key) const {
  const auto value = find(key);
  if (!value) return std::optional<bool>();
  if (value->is_string()) {
    const std::string_view text = value->string().value();
    if (equal_lower(text, "true")) return std::optional(true);
    if (equal_lower(text, "false")) return std::optional(false);
  } else if (value->element().is_bool()) {
    return std::optional(value->boolean().value());
  } else if (value->element().is_number()) {
    const double number = value->number().value();
    if (number == 0 || number == 1) return std::optional(number == 1);
  }
  return value->expected("true or false");
}

Result<std::optional<std::int64_t>> Body::integer(std::string_view key, std::int64_t lowest,
                                                  std::int64_t highest) const {
  const auto value = find(key);
  if (!value) return std::optional<std::int64_t>();
  RERANK_ASSIGN(const std::int64_t number, whole_number(*value, lowest, highest));
  return std::optional(number);
}

Result<std::optional<double>> Body::number(std::string_view key) const {
  const auto value = find(key);
  if (!value) return std::optional<double>();
  RERANK_ASSIGN(const double number, value->number());
  return std::optional(number);
}

Result<std::optional<std::string>> Body::text(std::string_view key) const {
  const auto value = find(key);
  if (!value) return std::optional<std::string>();
  RERANK_ASSIGN(const std::string_view text, value->string());
  return std::optional(std::string(text));
}

Result<std::optional<std::vector<int>>> Body::integers(std::string_view key) const {
  const auto value = find(key);
  if (!value) return std::optional<std::vector<int>>();
  constexpr std::int64_t kHighest = 1 << 20;
  std::vector<int> numbers;
  if (!value->is_array()) {
    RERANK_ASSIGN(const std::int64_t number, whole_number(*value, 0, kHighest));
    numbers.push_back(static_cast<int>(number));
    return std::optional(std::move(numbers));
  }
  std::size_t i = 0;
  const simdjson::dom::array entries = value->array().value();
  for (const simdjson::dom::element item : entries) {
    RERANK_ASSIGN(const std::int64_t number, whole_number(value->item(item, i++), 0, kHighest));
    numbers.push_back(static_cast<int>(number));
  }
  return std::optional(std::move(numbers));
}

Result<std::optional<std::vector<std::string>>> Body::texts(std::string_view key) const {
  const auto value = find(key);
  if (!value) return std::optional<std::vector<std::string>>();
  std::vector<std::string> texts;
  if (value->is_string()) {
    texts.emplace_back(value->string().value());
    return std::optional(std::move(texts));
  }
  if (!value->is_array()) return value->expected("a text or a list of texts");
  std::size_t i = 0;
  const simdjson::dom::array entries = value->array().value();
  for (const simdjson::dom::element item : entries) {
    RERANK_ASSIGN(const std::string_view text, value->item(item, i++).string());
    texts.emplace_back(text);
  }
  return std::optional(std::move(texts));
}

}  // namespace rerank::dialects
