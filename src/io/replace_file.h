// A file that is replaced as a whole: who reads it sees the old text or the new one, whenever the program or the
// machine stops.
#pragma once

#include <filesystem>
#include <string_view>

#include "rerank/error.h"

namespace rerank::io {

// Writes `text` to a file beside `path`, and gives it that name once it is on disk; behind a link, the link stays.
// kNotFound where there is no such folder, or kIo; `path` is as it was then, and nothing is left beside it.
Status replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace rerank::io
