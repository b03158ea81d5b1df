// One JSON object a line, read as a stream. A bad line is an error of its own, and the lines behind it can still be
// read.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "io/json.h"
#include "io/lines.h"
#include "rerank/error.h"

namespace rerank::io {

struct JsonlObject {
  std::size_t line_number = 0;  // from 1, blank lines counted
  Json json;  // an object; valid until the next call of next(). Its errors are kBadInput and name the line
};

class JsonlReader {
 public:
  explicit JsonlReader(LineReader lines) : lines_(std::move(lines)) {}
  // `path` "-" is standard input. kNotFound or kIo.
  static Result<JsonlReader> open(const std::string& path, const LineOptions& options = {});

  // The next object, or nothing after the last one. Lines of blanks are passed over.
  // kBadInput: this line is no object, no JSON, not UTF-8 or too long; the following call gives the one after it.
  // kIo: the file cannot be read on; every following call gives nothing.
  Result<std::optional<JsonlObject>> next();

  std::string where(std::size_t line_number) const { return lines_.where(line_number); }

 private:
  LineReader lines_;
  JsonParser parser_;
};

}  // namespace rerank::io
