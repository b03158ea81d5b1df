// Lines of records that are done in any order, written in the order of the records.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/bad_records.h"
#include "io/output.h"
#include "rerank/error.h"

namespace rerank::cli {

class WindowOutput {
 public:
  WindowOutput(io::OutputFile& output, BadRecords& bad) : output_(output), bad_(bad) {}

  // A new window of so many records. What the one before has not written is dropped.
  void begin(std::size_t records);
  // The line of a record, or why there is none. Writes all lines up to the first record that is not done; an error
  // among them goes to the BadRecords, and where that stops, nothing is written any more.
  void put(std::size_t record_idx, Result<std::string> line);
  // Hands what is written to the system: what took long to compute should not be lost to a crash.
  void flush();
  // Writes the lines behind records that will never be done, in order, and flushes. The first error since begin().
  Status end();
  // Whether there was no error since begin().
  bool ok() const { return status_.ok(); }
  // Lines written since the object was made.
  std::size_t lines_written() const { return lines_written_; }

 private:
  void write(Result<std::string>& line);

  io::OutputFile& output_;
  BadRecords& bad_;
  std::vector<std::optional<Result<std::string>>> lines_;  // [records]
  std::size_t next_ = 0;                                   // those before it are written
  std::size_t lines_written_ = 0;
  Status status_;
};

}  // namespace rerank::cli
