// The lines of an output file that an interruption may have torn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "rerank/error.h"

namespace rerank::cli {

struct WholeLine {
  std::size_t number;    // from 1
  std::uint64_t offset;  // in bytes, from the beginning of the file
  std::string text;      // without its end
};

// Calls take(line) for every line that has an end; the first error ends it. The offset behind the last of them: what
// follows is torn. kNotFound or kIo for the file.
Result<std::uint64_t> for_each_whole_line(const std::string& file, const std::function<Status(WholeLine)>& take);

}  // namespace rerank::cli
