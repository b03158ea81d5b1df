// Scratch memory of one worker: one block, carved anew for every micro-batch.
#pragma once

#include <cstddef>

#include "base/aligned_buffer.h"
#include "base/try.h"
#include "kernels/kernel_table.h"

namespace rerank::kernels {

// Hands out pieces of a block in order. With no block (nullptr) it only counts, so that the code which carves is also
// the code which says how much is needed.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <class T>
  T* take(std::size_t count) {
    std::byte* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += round_up(count * sizeof(T), kTileBytes);
    return reinterpret_cast<T*>(piece);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

class Workspace {
 public:
  // Makes room for `bytes`; keeps what it has when that is enough. The contents are not kept.
  Status reserve(std::size_t bytes) {
    if (bytes <= block_.size()) return {};
    block_ = {};  // first give back, then take: the peak is the larger of the two, not the sum
    RERANK_ASSIGN(block_, AlignedBuffer::allocate(bytes, "activations of a micro-batch"));
    return {};
  }
  Carver carve() { return Carver(block_.data()); }

 private:
  AlignedBuffer block_;
};

}  // namespace rerank::kernels
