// A file or standard output that is written as results come, and keeps what was written when something goes wrong.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"
#include "rerank/error.h"

namespace rerank::io {

// A full disk or a closed pipe is kIo and says how much was written; the file is neither cut nor removed,
// and every later call returns the same error. For a closed pipe the program must ignore SIGPIPE, or it dies before.
class OutputFile {
 public:
  // Makes the file, or empties it; `path` "-" is standard output. kNotFound (no such folder) or kIo.
  static Result<OutputFile> open(const std::string& path);
  // Makes the file, or goes on behind what it holds. kNotFound or kIo.
  static Result<OutputFile> append(const std::string& path);

  OutputFile(OutputFile&&) noexcept = default;
  OutputFile& operator=(OutputFile&&) = delete;  // it would lose what the target has buffered
  ~OutputFile();                                 // writes what is still buffered; an error is lost, so close() first

  // Buffers `text`, and hands full buffers to the system.
  Status write(std::string_view text);
  // Hands everything to the system: other programs see it from now on.
  Status flush();
  // flush(), and the file is closed. Nothing may be written afterwards.
  Status close();

  const std::string& name() const { return name_; }

 private:
  OutputFile(FileDescriptor file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
  Error failed(int number);

  FileDescriptor file_;
  std::string name_;
  std::string buffer_;
  std::size_t bytes_written_ = 0, lines_written_ = 0;  // what the system has taken
  std::optional<Error> error_;                         // the first one
};

}  // namespace rerank::io
