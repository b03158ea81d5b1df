#include "cli/input.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/try.h"

namespace rerank::cli {

Error input_error(Error error) {
  if (error.code == Error::Code::kIo) error.code = Error::Code::kBadInput;
  return error;
}

Result<io::LineReader> open_lines(const std::string& path) {
  Result<io::LineReader> lines = io::LineReader::open(path);
  if (!lines.ok()) return input_error(std::move(lines.error()));
  return lines;
}

Result<io::JsonlReader> open_jsonl(const std::string& path) {
  RERANK_ASSIGN(io::LineReader lines, open_lines(path));
  return io::JsonlReader(std::move(lines));
}

Error expecting(const char* form, Error error) {
  if (error.fix.empty() && error.code == Error::Code::kBadInput) error.fix = fmt::format("each line is {}", form);
  return error;
}

Result<std::string> read_id(const io::Json& record) {
  RERANK_ASSIGN(const io::Json id, record.get("id"));
  if (!id.is_string() && !id.element().is_number()) return id.expected("a string or a number");
  return simdjson::minify(id.element());
}

Result<std::size_t> count_records(const std::string& path) {
  RERANK_ASSIGN(io::LineReader lines, open_lines(path));
  std::size_t count = 0;
  while (true) {
    const auto line = lines.next();
    if (!line.ok() && line.error().code != Error::Code::kBadInput) return line.error();
    if (line.ok() && !line.value()) return count;
    const bool blank = line.ok() && line.value()->text.find_first_not_of(" \t\r\n") == std::string_view::npos;
    if (!blank) ++count;
  }
}

std::size_t count_lines(const std::string& path) {
  std::error_code error;
  if (path == "-" || !std::filesystem::is_regular_file(path, error)) return 0;
  Result<io::LineReader> lines = io::LineReader::open(path);
  if (!lines.ok()) return 0;
  std::size_t count = 0;
  while (true) {
    const auto line = lines.value().next();
    if (!line.ok() && line.error().code != Error::Code::kBadInput) return 0;
    if (line.ok() && !line.value()) return count;
    ++count;
  }
}

}  // namespace rerank::cli
