// The engine's errors as Python exceptions.
#pragma once

#include <utility>

#include "rerank/error.h"

namespace rerank::python {

// Raises the exception that rerank_cpp/errors.py has for the error's code, with what, where and mend. Needs the GIL.
[[noreturn]] void raise(const Error& error);

// Raises the exception of that name in rerank_cpp/errors.py, where the code alone says too little. Needs the GIL.
[[noreturn]] void raise_as(const char* type_name, const Error& error);

// The value, or its error raised. Needs the GIL.
template <class T>
T value_or_raise(Result<T> result) {
  if (!result.ok()) raise(result.error());
  return std::move(result).value();
}

}  // namespace rerank::python
