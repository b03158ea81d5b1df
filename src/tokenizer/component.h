// What the readers of all five stages share: the type of a component, and a limit to how many there may be.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "base/try.h"
#include "io/json.h"

namespace rerank::tokenizer {

// More components than any published tokenizer has in one stage. A file with more is damaged or hostile.
inline constexpr std::size_t kMaxComponents = 64;

inline Result<std::string_view> component_type(const io::Json& json) {
  RERANK_ASSIGN(const io::Json type, json.get("type"));
  return type.string();
}

inline Error unknown_type(const io::Json& json, std::string_view stage, std::string_view found,
                          std::string_view known) {
  return json.error(Error::Code::kUnsupported, fmt::format("the {} type \"{}\" is not supported", stage, found),
                    fmt::format("supported: {}", known));
}

// Calls `read_one` for each element of the array `key`, refusing to make a stage longer than kMaxComponents.
template <class Stage, class ReadOne>
Status read_sequence(const io::Json& json, std::string_view key, Stage& stage, ReadOne&& read_one) {
  RERANK_ASSIGN(const io::Json list, json.get(key));
  RERANK_ASSIGN(const simdjson::dom::array elements, list.array());
  std::size_t index = 0;
  for (const simdjson::dom::element element : elements) {
    RERANK_TRY(read_one(list.item(element, index++), stage));
    if (stage.size() > kMaxComponents || index > kMaxComponents)
      return list.error(Error::Code::kUnsupported, fmt::format("has more than {} components", kMaxComponents));
  }
  return {};
}

}  // namespace rerank::tokenizer
