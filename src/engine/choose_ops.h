// From options to the kernels that run them.
#pragma once

#include <string>

#include "kernels/ops.h"
#include "rerank/options.h"

namespace rerank {

struct ChosenOps {
  kernels::Ops ops;
  std::string cpu_level;  // "amx", "avx512-bf16", ...
  std::string dtype;      // "f32", "bf16" or "int8"
  int threads = 1;
};

// The best CPU level up to options.cpu_level or, where that is empty, RERANK_CPU_LEVEL.
Result<ChosenOps> choose_ops(const EngineOptions& options);

}  // namespace rerank
