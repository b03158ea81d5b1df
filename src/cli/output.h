// Where results go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.h"
#include "io/output.h"

namespace rerank::cli {

// io::OutputFile::open, but kBadInput when `path` is one of the `inputs`, which opening would empty.
Result<io::OutputFile> open_output(const std::string& path, const std::vector<std::string>& inputs);

// kBadInput when `path` is one of the `inputs`.
Status refuse_input_as_output(const std::string& path, const std::vector<std::string>& inputs);

// For commands with one answer: writes it to stdout, and says so when that fails.
Exit print_answer(std::string_view text);

}  // namespace rerank::cli
