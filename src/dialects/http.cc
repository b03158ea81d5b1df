#include "dialects/http.h"

#include "base/ascii.h"

namespace rerank::dialects {

const std::string* HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_ascii_case(key, name)) return &value;
  return nullptr;
}

}  // namespace rerank::dialects
