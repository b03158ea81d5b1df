// Memory for weights and scratch: aligned for tiles, on huge pages where the system gives them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "rerank/error.h"

namespace rerank {

// Owns `bytes` bytes, aligned to 64 or more, zero-filled. Move-only.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;

  // kOutOfMemory when the system has not that much; `purpose` goes into the message ("packed weights").
  static Result<AlignedBuffer> allocate(std::size_t bytes, const char* purpose);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t size() const { return data_ ? data_.get_deleter().bytes : 0; }
  bool empty() const { return size() == 0; }

  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Unmap> data_;
};

}  // namespace rerank
