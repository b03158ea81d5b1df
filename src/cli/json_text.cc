#include "cli/json_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace rerank::cli {

std::string json_number(double value, bool is_float32) {
  std::string text = is_float32 ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump();
}

}  // namespace rerank::cli
