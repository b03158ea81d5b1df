// Reading JSON that strangers wrote: every access says what was expected, and an error names file and JSON path.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rerank/error.h"
#include "simdjson.h"

namespace rerank::io {

// What a JSON text is called in errors, and which code its errors carry.
struct JsonSource {
  std::string name;                          // "config.json", "pairs.jsonl line 17"
  Error::Code code = Error::Code::kCorrupt;  // kBadInput for what a caller typed
};

// One value inside a document, with the path that led to it. Cheap to copy; the document must outlive it.
class Json {
 public:
  // A member that must be there; the error names the missing path. Of a repeated key the first counts.
  Result<Json> get(std::string_view key) const;
  // A member that must be there and must be a string.
  Result<std::string_view> string_at(std::string_view key) const;
  // A member that may be absent; one that is null counts as absent.
  std::optional<Json> find(std::string_view key) const;

  Result<std::string_view> string() const;
  Result<std::int64_t> integer() const;
  Result<double> number() const;
  Result<bool> boolean() const;
  Result<simdjson::dom::array> array() const;
  Result<simdjson::dom::object> object() const;
  bool is_null() const { return element_.is_null(); }
  bool is_string() const { return element_.is_string(); }
  bool is_object() const { return element_.is_object(); }
  bool is_array() const { return element_.is_array(); }

  // A child reached by iterating array() or object(), with its path.
  Json item(simdjson::dom::element element, std::size_t index) const;
  Json member(simdjson::dom::element element, std::string_view key) const;

  simdjson::dom::element element() const { return element_; }
  // "tokenizer.json: model.vocab[17]"
  std::string where() const;
  // The source's code at this value: "is a string, expected EXPECTED".
  Error expected(std::string_view what) const;
  // Any other complaint about this value.
  Error error(Error::Code code, std::string what, std::string fix = {}) const;

  // Optional members with a default; a wrong type is still an error.
  Result<std::int64_t> integer_or(std::string_view key, std::int64_t fallback) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> string_or(std::string_view key, std::string_view fallback) const;

 private:
  friend class JsonParser;
  Json(simdjson::dom::element element, const JsonSource* source, std::string path)
      : element_(element), source_(source), path_(std::move(path)) {}

  simdjson::dom::element element_;
  const JsonSource* source_;
  std::string path_;
};

// Parses one text after the other into the same memory. Move-only; moving keeps the Json values valid.
class JsonParser {
 public:
  JsonParser();
  ~JsonParser();
  JsonParser(JsonParser&&) noexcept;
  JsonParser& operator=(JsonParser&&) noexcept;

  // Refuses malformed JSON, invalid UTF-8, lone surrogates, and nesting beyond 64. A byte order mark is skipped.
  // The values of the call before become invalid; `text` is no longer needed afterwards.
  Result<Json> parse(std::string_view text, JsonSource source);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A parsed document and the memory behind it. Move-only; moving keeps its Json values valid.
class JsonDocument {
 public:
  // `file` names the text in errors, which are kCorrupt. Refuses what JsonParser::parse refuses.
  static Result<JsonDocument> parse(std::string_view text, std::string file);

  const Json& root() const { return root_; }

 private:
  JsonDocument(JsonParser parser, Json root) : parser_(std::move(parser)), root_(std::move(root)) {}

  JsonParser parser_;
  Json root_;
};

}  // namespace rerank::io
