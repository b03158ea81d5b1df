#include "dialects/documents.h"

#include <string_view>

#include "base/try.h"

namespace rerank::dialects {
namespace {

// {"content": [{"type": "text", "text": "..."}]}.
Result<std::vector<std::string>> texts_of_parts(const io::Json& parts) {
  std::vector<std::string> texts;
  std::size_t i = 0;
  RERANK_ASSIGN(const auto array, parts.array());
  for (const simdjson::dom::element element : array) {
    const io::Json part = parts.item(element, i++);
    RERANK_ASSIGN(const std::string_view text, part.string_at("text"));
    texts.emplace_back(text);
  }
  return texts;
}

}  // namespace

Result<std::string> text_of_document(const io::Json& document, const std::vector<std::string>& rank_fields) {
  if (document.is_string()) return std::string(document.string().value());
  if (!document.is_object()) return document.expected("a text, or an object with a \"text\"");
  std::string text;
  if (!rank_fields.empty()) {
    for (const std::string& field : rank_fields) {
      RERANK_ASSIGN(const std::string_view value, document.string_at(field));
      if (!text.empty()) text += '\n';
      text += value;
    }
    return text;
  }
  if (const auto own = document.find("text")) {
    RERANK_ASSIGN(const std::string_view value, own->string());
    return std::string(value);
  }
  const auto content = document.find("content");
  if (!content) return document.expected("a text, or an object with a \"text\"");
  if (!content->is_array()) {
    RERANK_ASSIGN(const std::string_view value, content->string());
    return std::string(value);
  }
  RERANK_ASSIGN(const auto parts, texts_of_parts(*content));
  for (const std::string& part : parts) text += part;
  return text;
}

Result<std::vector<std::string>> texts_of_documents(const io::Json& list, const std::vector<std::string>& rank_fields) {
  if (list.is_object()) {
    const auto content = list.find("content");
    if (content && content->is_array()) return texts_of_parts(*content);
  }
  if (!list.is_array()) return list.expected("a list of texts");
  std::vector<std::string> texts;
  std::size_t i = 0;
  const simdjson::dom::array entries = list.array().value();
  for (const simdjson::dom::element element : entries) {
    RERANK_ASSIGN(std::string text, text_of_document(list.item(element, i++), rank_fields));
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace rerank::dialects
