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
  const bool bf16 = options.dtype == Dtype::kBf16 || (options.dtype == Dtype::kAuto && level->table->native_bf16);
  return ChosenOps{kernels::Ops(*level->table, bf16 ? Element::kBf16 : Element::kF32), std::string(level->name),
                   bf16 ? "bf16" : "f32", options.threads > 0 ? options.threads : usable_cpus()};
}

}  // namespace rerank
