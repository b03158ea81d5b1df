#include "io/json.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "base/utf8.h"

namespace rerank::io {
namespace {

constexpr std::size_t kMaxDepth = 64;

const char* type_name(simdjson::dom::element_type type) {
  using simdjson::dom::element_type;
  switch (type) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::INT64:
    case element_type::UINT64:
      return "an integer";
    case element_type::DOUBLE:
      return "a number";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
  }
  return "a value";
}

Error refusal(simdjson::error_code code, std::string_view text, const JsonSource& source) {
  switch (code) {
    case simdjson::EMPTY:
      return {source.code, "is empty, expected JSON", source.name, ""};
    case simdjson::UTF8_ERROR:
      return {source.code, fmt::format("is not valid UTF-8 at byte {}", first_invalid_utf8(text)), source.name,
              "write it as UTF-8"};
    case simdjson::STRING_ERROR:
      return {source.code, "is not valid JSON: a string has a wrong escape or half a surrogate pair", source.name, ""};
    case simdjson::DEPTH_ERROR:
      return {source.code, fmt::format("is nested more than {} deep", kMaxDepth), source.name, ""};
    case simdjson::MEMALLOC:
      return {Error::Code::kOutOfMemory, fmt::format("no memory to parse {} bytes of JSON", text.size()), source.name,
              ""};
    default:
      return {source.code, fmt::format("is not valid JSON: {}", simdjson::error_message(code)), source.name, ""};
  }
}

// Whole numbers beyond 64 bits are sound JSON ("model_max_length": 1000000000000000019884624838656 stands in many
// tokenizer_config.json files), but the parser refuses them. With an exponent they become floating-point numbers.
std::string with_long_integers_as_floats(std::string_view text) {
  constexpr std::size_t kSurelyFits = 18;  // digits
  std::string rewritten;
  rewritten.reserve(text.size() + 64);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (in_string || !digit) {
      if (in_string && c == '\\' && i + 1 < text.size()) rewritten += text[i++];
      if (c == '"') in_string = !in_string;
      rewritten += text[i++];
      continue;
    }
    const std::size_t end = std::min(text.find_first_not_of("0123456789.eE+-", i), text.size());
    const std::string_view number = text.substr(i, end - i);
    rewritten += number;
    if (number.size() > kSurelyFits && number.find_first_not_of("0123456789") == number.npos) rewritten += "e0";
    i = end;
  }
  return rewritten;
}

}  // namespace

std::string Json::where() const {
  return path_.empty() ? source_->name : fmt::format("{}: {}", source_->name, path_);
}

Error Json::expected(std::string_view what) const {
  return error(source_->code, fmt::format("is {}, expected {}", type_name(element_.type()), what));
}

Error Json::error(Error::Code code, std::string what, std::string fix) const {
  return Error{code, std::move(what), where(), std::move(fix)};
}

Json Json::item(simdjson::dom::element element, std::size_t index) const {
  return Json(element, source_, fmt::format("{}[{}]", path_, index));
}

Json Json::member(simdjson::dom::element element, std::string_view key) const {
  return Json(element, source_, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key));
}

Result<Json> Json::get(std::string_view key) const {
  if (!element_.is_object()) return expected("an object");
  simdjson::dom::element child;
  if (element_.at_key(key).get(child) != simdjson::SUCCESS)
    return error(source_->code, fmt::format("\"{}\" is missing", key));
  return member(child, key);
}

Result<std::string_view> Json::string_at(std::string_view key) const {
  RERANK_ASSIGN(const Json child, get(key));
  return child.string();
}

std::optional<Json> Json::find(std::string_view key) const {
  simdjson::dom::element child;
  if (!element_.is_object() || element_.at_key(key).get(child) != simdjson::SUCCESS || child.is_null())
    return std::nullopt;
  return member(child, key);
}

Result<std::string_view> Json::string() const {
  std::string_view value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("a string");
  return value;
}

Result<std::int64_t> Json::integer() const {
  std::int64_t value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("an integer");
  return value;
}

Result<double> Json::number() const {
  double value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("a number");
  return value;
}

Result<bool> Json::boolean() const {
  bool value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("a boolean");
  return value;
}

Result<simdjson::dom::array> Json::array() const {
  simdjson::dom::array value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("an array");
  return value;
}

Result<simdjson::dom::object> Json::object() const {
  simdjson::dom::object value;
  if (element_.get(value) != simdjson::SUCCESS) return expected("an object");
  return value;
}

Result<std::int64_t> Json::integer_or(std::string_view key, std::int64_t fallback) const {
  const auto child = find(key);
  return child ? child->integer() : Result<std::int64_t>(fallback);
}

Result<double> Json::number_or(std::string_view key, double fallback) const {
  const auto child = find(key);
  return child ? child->number() : Result<double>(fallback);
}

Result<bool> Json::boolean_or(std::string_view key, bool fallback) const {
  const auto child = find(key);
  return child ? child->boolean() : Result<bool>(fallback);
}

Result<std::string> Json::string_or(std::string_view key, std::string_view fallback) const {
  const auto child = find(key);
  if (!child) return std::string(fallback);
  RERANK_ASSIGN(const std::string_view value, child->string());
  return std::string(value);
}

struct JsonParser::State {
  simdjson::dom::parser parser;
  JsonSource source;
};

JsonParser::JsonParser() : state_(std::make_unique<State>()) {}
JsonParser::~JsonParser() = default;
JsonParser::JsonParser(JsonParser&&) noexcept = default;
JsonParser& JsonParser::operator=(JsonParser&&) noexcept = default;

Result<Json> JsonParser::parse(std::string_view text, JsonSource source) {
  state_->source = std::move(source);
  simdjson::dom::parser& parser = state_->parser;
  // A byte order mark is not JSON, but editors put it there, and Python's "utf-8-sig" readers accept it.
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  simdjson::dom::element root;
  simdjson::error_code code = simdjson::SUCCESS;
  if (text.size() > parser.capacity() || parser.max_depth() != kMaxDepth)
    code = parser.allocate(std::max<std::size_t>(text.size(), 4096), kMaxDepth);
  if (code == simdjson::SUCCESS) code = parser.parse(text.data(), text.size()).get(root);
  if (code == simdjson::NUMBER_ERROR) {
    const std::string rewritten = with_long_integers_as_floats(text);
    code = parser.parse(rewritten.data(), rewritten.size()).get(root);
  }
  if (code != simdjson::SUCCESS) return refusal(code, text, state_->source);
  return Json(root, &state_->source, "");
}

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string file) {
  JsonParser parser;
  RERANK_ASSIGN(Json root, parser.parse(text, {std::move(file), Error::Code::kCorrupt}));
  return JsonDocument(std::move(parser), std::move(root));
}

}  // namespace rerank::io
