// A file that is written packed where its name says so: .gz, .zst.
#pragma once

#include <memory>
#include <string_view>

#include "io/output.h"
#include "rerank/error.h"

namespace rerank::io {

enum class Packing { kNone, kGzip, kZstd };

// By the end of the name: ".gz" or ".zst".
Packing packing_of(std::string_view path);

// What is written becomes one gzip member (RFC 1952) or one Zstandard frame (RFC 8878). Only close() writes its end.
// Move-only.
class PackedOutput {
 public:
  PackedOutput(OutputFile output, Packing packing);
  PackedOutput(PackedOutput&&) noexcept;
  ~PackedOutput();

  // kIo as of OutputFile; kOutOfMemory where the packer finds none.
  Status write(std::string_view text);
  Status close();
  const std::string& name() const { return output_.name(); }

  class Packer;  // one form

 private:
  OutputFile output_;
  std::unique_ptr<Packer> packer_;  // none where nothing is packed
};

}  // namespace rerank::io
