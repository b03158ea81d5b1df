// The files of models/verify/, compiled into the program: what model cards print for their own examples.
#pragma once

#include <span>
#include <string_view>

namespace rerank::cli {

struct CardFile {
  std::string_view name;  // "models/verify/bge-reranker-v2-m3.json"
  std::string_view text;
};

std::span<const CardFile> card_files();

}  // namespace rerank::cli
