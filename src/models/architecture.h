// Finding an architecture's row in a table by the name that config.json gives.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>

#include "base/try.h"
#include "io/json.h"
#include "rerank/error.h"

namespace rerank::models {

// The row of `rows` whose hf_name is the one name in "architectures". kUnsupported, with the list of names, where there
// is none.
template <class Row>
Result<const Row*> find_architecture(const io::Json& config, std::span<const Row> rows) {
  RERANK_ASSIGN(const io::Json names, config.get("architectures"));
  RERANK_ASSIGN(const auto array, names.array());
  if (array.size() != 1)
    return names.error(Error::Code::kUnsupported, fmt::format("lists {} names, expected one", array.size()));
  RERANK_ASSIGN(const std::string_view name, names.item(array.at(0), 0).string());
  std::string supported;
  for (const Row& row : rows) {
    if (row.hf_name == name) return &row;
    supported += fmt::format("{}{}", supported.empty() ? "" : ", ", row.hf_name);
  }
  return names.error(Error::Code::kUnsupported, fmt::format("\"{}\" is not an architecture that runs here", name),
                     fmt::format("supported are {}", supported));
}

}  // namespace rerank::models
