// A text file line by line, however long the file is: memory is bounded by twice the longest line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_source.h"
#include "rerank/error.h"

namespace rerank::io {

struct LineOptions {
  std::size_t max_line_bytes = std::size_t{256} << 20;  // a longer line is an error; at least 1
  std::size_t read_bytes = std::size_t{256} << 10;      // asked of the system at a time; at least 1
};

struct Line {
  std::size_t number = 0;  // from 1
  std::string_view text;   // without its end ("\n" or "\r\n"); valid until the next call of next()
};

// Lines end in "\n" or "\r\n"; the last one may have no end. A byte order mark before the first line is dropped. All
// other bytes come through as they are, NUL included. gzip and Zstandard data are unpacked first.
class LineReader {
 public:
  // `path` "-" is standard input. kNotFound or kIo.
  static Result<LineReader> open(const std::string& path, const LineOptions& options = {});
  // Lines of a text in memory, which must outlive the reader. `name` stands for it in errors.
  static LineReader over(std::string_view text, std::string name, const LineOptions& options = {});

  // The next line, or nothing after the last one.
  // kBadInput: this line is too long; the following call gives the one after it.
  // kIo, or kCorrupt with the line for packed data that are cut or damaged: the file cannot be read on; every following
  // call gives nothing.
  Result<std::optional<Line>> next();

  // "pairs.jsonl line 17": where errors about a line point.
  std::string where(std::size_t line_number) const;
  const std::string& name() const { return name_; }

 private:
  LineReader(ByteSource bytes, std::string name, const LineOptions& options);
  Status fill();
  Status drop_byte_order_mark();
  Error too_long();
  std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }

  ByteSource bytes_;
  std::string name_;
  LineOptions options_;
  std::vector<char> buffer_;  // [begin_, end_) is read and not yet handed out
  std::size_t begin_ = 0, end_ = 0;
  std::size_t number_ = 0;  // of the last line handed out
  bool begun_ = false;      // a byte order mark has been looked for
  bool at_end_ = false;     // there is nothing more to read
};

}  // namespace rerank::io
