// The bytes of a file or a text, unpacked when they are gzip or Zstandard data.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"
#include "rerank/error.h"

namespace rerank::io {

// Which it is, its first bytes say, whatever its name: gzip (RFC 1952, any number of members) and Zstandard (RFC 8878,
// any number of frames) are unpacked as they are read, in constant memory; all else comes through as it is. Move-only.
class ByteSource {
 public:
  // `name` stands for it in errors.
  static ByteSource over_file(FileDescriptor file, std::string name);
  // `text` must outlive the source.
  static ByteSource over_text(std::string_view text, std::string name);

  ByteSource(ByteSource&&) noexcept;
  ByteSource& operator=(ByteSource&&) noexcept;
  ~ByteSource();

  // Puts 1 to `size` bytes at `target` and says how many; 0 at the end. Waits for no more input than the first of them
  // takes. kIo; kCorrupt for packed data that are cut, damaged, or followed by something else. After an error it must
  // not be called again.
  Result<std::size_t> read(char* target, std::size_t size);

 private:
  struct State;
  explicit ByteSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rerank::io
