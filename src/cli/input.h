// Opening what the user names as input, and what all JSONL commands need to read it.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "io/jsonl.h"
#include "rerank/error.h"

namespace rerank::cli {

// io::JsonlReader::open for an input of the user: that it cannot be opened counts as bad input, whatever the system's
// reason is; only output may fail with exit code 3.
Result<io::JsonlReader> open_jsonl(const std::string& path);
Result<io::LineReader> open_lines(const std::string& path);

// The same rule for an error of opening any other input.
Error input_error(Error error);

// And for whatever was read from it.
template <class T>
Result<T> as_input(Result<T> result) {
  if (!result.ok()) result.error() = input_error(std::move(result.error()));
  return result;
}

// The error of a bad record, with the form that was expected where it says no other way to mend it.
Error expecting(const char* form, Error error);

// The member "id", a string or a number, as JSON text the way it was given.
Result<std::string> read_id(const io::Json& record);

// Records of a JSONL file: its lines without those of blanks.
Result<std::size_t> count_records(const std::string& path);

// Lines of a file; 0 where that cannot be known beforehand (a pipe).
std::size_t count_lines(const std::string& path);

}  // namespace rerank::cli
