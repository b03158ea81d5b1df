// Texts in every form that clients send them in.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"
#include "rerank/error.h"

namespace rerank::dialects {

// A document is a text, or an object that has one: {"text": ...}, or {"content": ...} with a text or vLLM's list of
// parts, whose texts are joined. Of an object's fields, those that `rank_fields` names, a line each, if it names any.
Result<std::string> text_of_document(const io::Json& document, const std::vector<std::string>& rank_fields = {});

// A list of documents, or vLLM's {"content": [...]}, each of whose parts is a document.
Result<std::vector<std::string>> texts_of_documents(const io::Json& list,
                                                    const std::vector<std::string>& rank_fields = {});

}  // namespace rerank::dialects
