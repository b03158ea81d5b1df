// Where results go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.h"
#include "evaluation/trec.h"
#include "io/output.h"

namespace rerank::cli {

// io::OutputFile::open, but kBadInput when `path` is one of the `inputs`, which opening would empty.
Result<io::OutputFile> open_output(const std::string& path, const std::vector<std::string>& inputs);

// For commands that make one ranking: writes it as a TREC run file, best passages first, packed where the name of
// `path` ends in .gz or .zst; errors of open_output and evaluation::write_run. `tag` names the system.
Status write_trec_run(const std::string& path, const std::vector<std::string>& inputs, const evaluation::Run& run,
                      std::string_view tag);

// kBadInput when `path` is one of the `inputs`.
Status refuse_input_as_output(const std::string& path, const std::vector<std::string>& inputs);

// For commands with one answer: writes it to stdout, and says so when that fails.
Exit print_answer(std::string_view text);

}  // namespace rerank::cli
