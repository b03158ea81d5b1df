// What the readers of golden.json share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/json.h"
#include "io/test_files.h"
#include "support/sanitized.h"
#include "support/shared_data.h"

namespace rerank::testing {

// The golden suites take one score in so many.
inline constexpr std::size_t kEvery = kSanitized ? 24 : 1;

// golden.json of a folder below golden/, which must be there.
inline io::JsonDocument golden_document(const std::string& name) {
  return std::move(
             io::JsonDocument::parse(read_file(shared_dir() / "golden" / name / "golden.json"), name + "/golden.json"))
      .value();
}

inline std::string golden_text(simdjson::dom::element element) {
  return std::string(std::string_view(element));
}

template <class Integer>
std::vector<Integer> golden_integers(simdjson::dom::element list) {
  std::vector<Integer> all;
  for (const auto value : simdjson::dom::array(list)) all.push_back(static_cast<Integer>(std::int64_t(value)));
  return all;
}

inline std::vector<double> golden_numbers(simdjson::dom::element list) {
  std::vector<double> all;
  for (const auto value : simdjson::dom::array(list)) all.push_back(double(value));
  return all;
}

inline std::vector<std::vector<double>> golden_rows(simdjson::dom::element rows) {
  std::vector<std::vector<double>> all;
  for (const auto row : simdjson::dom::array(rows)) all.push_back(golden_numbers(row));
  return all;
}

}  // namespace rerank::testing
