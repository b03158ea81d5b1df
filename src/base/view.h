// Views that borrow memory and name their axes, so that a swapped weight does not compile.
//
// Tags live in views only: kernels take plain pointers, so they generate no code.
#pragma once

#include <cstddef>
#include <span>

namespace rerank {

// Axis names: declared, never defined.
struct Tokens;
struct Hidden;
struct Ffn;
struct Labels;

// A row-major matrix: element (r, c) is data[r * stride + c].
template <class T, class Rows, class Cols>
struct View {
  T* data = nullptr;
  std::size_t rows = 0, cols = 0;
  std::size_t stride = 0;  // elements from one row to the next; stride >= cols

  std::span<T> row(std::size_t r) const { return {data + r * stride, cols}; }
};

}  // namespace rerank
