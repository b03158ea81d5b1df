// The passages that `rerank rank` is given: a passage a line, or JSONL.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "rerank/error.h"

namespace rerank::cli {

struct PassageRecord {
  std::string text;
  std::string id;    // as JSON text, the way it was given: "\"a7\"" or "17"; empty where there is none
  std::size_t line;  // of the file, from 1
};

// Reads all passages of `file` ("-": stdin), in order; blank lines are none. The file is JSONL {"id"?, "text"} when its
// first line that is not blank is a JSON object, or starts like one in a file that is called *.jsonl; otherwise each
// line is a passage. kBadInput names the line that is not well-formed UTF-8 or not such an object, and a file without
// any passage.
Result<std::vector<PassageRecord>> read_passages(const std::string& file);

}  // namespace rerank::cli
