#include "engine/choose_ops.h"

#include <cstdlib>

#include "base/cpus.h"
#include "base/try.h"
#include "kernels/level.h"

namespace rerank {
namespace {

using kernels::Element;

std::string cpu_level_cap(const EngineOptions& options) {
  if (!options.cpu_level.empty()) return options.cpu_level;
  const char* from_environment = std::getenv("RERANK_CPU_LEVEL");
  return from_environment == nullptr ? "" : from_environment;
}

}  // namespace

Result<ChosenOps> choose_ops(const EngineOptions& options) {
  RERANK_ASSIGN(const kernels::Level* level, kernels::choose_level(cpu_level_cap(options)));
  Dtype dtype = options.dtype;
  if (dtype == Dtype::kAuto) dtype = level->table->native_bf16 ? Dtype::kBf16 : Dtype::kF32;
  const bool int8 = dtype == Dtype::kInt8;
  const Element weights = dtype == Dtype::kF32 ? Element::kF32 : Element::kBf16;
  return ChosenOps{kernels::Ops(*level->table, weights, int8), std::string(level->name),
                   int8                       ? "int8"
                   : weights == Element::kF32 ? "f32"
                                              : "bf16",
                   options.threads > 0 ? options.threads : usable_cpus()};
}

}  // namespace rerank
