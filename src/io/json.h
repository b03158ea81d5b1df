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

class JsonDocument;

// One value inside a document, with the path that led to it. Cheap to copy; the document must outlive it.
class Json {
 public:
  // A member that must be there. kCorrupt names the missing path.
  Result<Json> get(std::string_view key) const;
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
  // kCorrupt at this value: "is a string, expected EXPECTED".
  Error expected(std::string_view what) const;
  // Any other complaint about this value.
  Error error(Error::Code code, std::string what, std::string fix = {}) const;

  // Optional members with a default; a wrong type is still an error.
  Result<std::int64_t> integer_or(std::string_view key, std::int64_t fallback) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::string> string_or(std::string_view key, std::string_view fallback) const;

 private:
  friend class JsonDocument;
  Json(simdjson::dom::element element, const std::string* file, std::string path)
      : element_(element), file_(file), path_(std::move(path)) {}

  simdjson::dom::element element_;
  const std::string* file_;
  std::string path_;
};

// A parsed document and the memory behind it. Move-only; moving keeps its Json values valid.
class JsonDocument {
 public:
  // `file` names the text in errors. Refuses malformed JSON, invalid UTF-8, lone surrogates and nesting beyond 64.
  static Result<JsonDocument> parse(std::string_view text, std::string file);

  Json root() const { return Json(state_->root, &state_->file, ""); }

 private:
  struct State {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    std::string file;
  };
  std::unique_ptr<State> state_;
};

}  // namespace rerank::io
