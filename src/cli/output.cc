#include "cli/output.h"

#include <filesystem>

#include "base/try.h"
#include "evaluation/forms.h"
#include "io/packed_output.h"

namespace rerank::cli {
namespace {

Status write_answer(std::string_view text) {
  RERANK_ASSIGN(io::OutputFile output, io::OutputFile::open("-"));
  RERANK_TRY(output.write(text));
  return output.close();
}

}  // namespace

Status refuse_input_as_output(const std::string& path, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs) {
    std::error_code differ;  // also set when one of them does not exist
    const bool both_files = path != "-" && input != "-" && std::filesystem::is_regular_file(path, differ);
    if (both_files && std::filesystem::equivalent(path, input, differ))
      return Error{Error::Code::kBadInput, "is also the input, which would be lost", path, "name another output file"};
  }
  return {};
}

Result<io::OutputFile> open_output(const std::string& path, const std::vector<std::string>& inputs) {
  RERANK_TRY(refuse_input_as_output(path, inputs));
  return io::OutputFile::open(path);
}

Status write_trec_run(const std::string& path, const std::vector<std::string>& inputs, const evaluation::Run& run,
                      std::string_view tag) {
  RERANK_ASSIGN(io::OutputFile file, open_output(path, inputs));
  io::PackedOutput output(std::move(file), io::packing_of(path));
  RERANK_TRY(evaluation::write_run(run, evaluation::Form::kTrec, tag, {},
                                   [&output](std::string_view lines) { return output.write(lines); }));
  return output.close();
}

Exit print_answer(std::string_view text) {
  const Status written = write_answer(text);
  return written.ok() ? Exit::kDone : fail(written.error());
}

}  // namespace rerank::cli
