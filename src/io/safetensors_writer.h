// Writes a safetensors file whose tensors are known by name, dtype and shape before their data are: the header goes
// first, the data follow in any order, so that a file may be larger than memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/file_descriptor.h"
#include "io/safetensors.h"
#include "rerank/error.h"

namespace rerank::io {

class SafetensorsWriter {
 public:
  // Makes the file, which must not exist, with the header of these tensors, and asks the system for all of its space,
  // so that a disk that is too small is found out before any work. `begin` and `end` of the entries are not read. In
  // the file the dtypes with more bytes come first, so that every tensor is aligned to its own; the first one is
  // aligned to 64 bytes. kIo or kNotFound.
  static Result<SafetensorsWriter> create(const std::filesystem::path& path, std::vector<TensorEntry> tensors,
                                          const SafetensorsMetadata& metadata = {});

  // Bytes from `offset` on of the tensor that was the index-th in the list; they must lie inside of it. kIo.
  Status write(std::size_t index, std::size_t offset, std::span<const std::byte> bytes);
  // Hands everything to the disk. Nothing may be written afterwards. Data that were never written are zeros. kIo.
  Status close();
  // The same without waiting for the disk: a machine that stops may leave a file of the right size with other content.
  Status close_early();

  std::size_t file_bytes() const { return file_bytes_; }

 private:
  SafetensorsWriter(FileDescriptor file, std::string name, std::vector<TensorEntry> tensors)
      : file_(std::move(file)), name_(std::move(name)), tensors_(std::move(tensors)) {}
  Status write_at(std::size_t position, std::span<const std::byte> bytes);

  FileDescriptor file_;
  std::string name_;
  std::vector<TensorEntry> tensors_;  // in the order given, with their places in the file
  std::size_t file_bytes_ = 0;
};

}  // namespace rerank::io
