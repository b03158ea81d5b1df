// The page for people, and the description for programs; both are part of the binary.
#pragma once

#include <string_view>

#include "dialects/http.h"

namespace rerank::dialects {

// One HTML document with its styles and script inside: it asks for nothing from outside.
HttpResponse page();

// The OpenAPI document. `version`: of the server.
HttpResponse openapi(std::string_view version);

}  // namespace rerank::dialects
