// Runs a template that jinja_syntax.h read.
#pragma once

#include <string>
#include <vector>

#include "rerank/error.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/jinja_syntax.h"
#include "tokenizer/jinja_value.h"

namespace rerank::tokenizer::jinja {

// The text that `statements` write with these `variables`. Errors call the template `name`.
Result<std::string> render(const std::vector<Statement>& statements, std::map<std::string, Value> variables,
                           const ChatOptions& options, const std::string& name);

}  // namespace rerank::tokenizer::jinja
