// How fast this machine multiplies at most, to hold the speed of a model against.
#pragma once

#include "rerank/error.h"
#include "rerank/options.h"

namespace rerank {

// Operations a second, a multiplication and an addition being two, of the kernel that a model with these options would
// multiply with: a product whose inputs, weights and results stay in L2, on all threads at once, the best of about a
// second.
Result<double> measure_matrix_peak(const EngineOptions& options);

}  // namespace rerank
