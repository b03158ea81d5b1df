// What a reader does with a line that it cannot use.
#pragma once

#include <functional>

#include "rerank/error.h"

namespace rerank::evaluation {

// Is given the error, with file and line, and returns it to stop there, or success to leave the line out and go on.
using BadLine = std::function<Status(Error)>;

inline Status stop_at_bad_line(Error error) {
  return error;
}

}  // namespace rerank::evaluation
