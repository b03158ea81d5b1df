#include "engine/choose_ops.h"

#include "base/cpus.h"
#include "base/environment.h"
#include "base/try.h"
#include "kernels/level.h"

namespace rerank {
namespace {

using kernels::Element;

std::string cpu_level_cap(const EngineOptions& options) {
  return options.cpu_level.empty() ? environment("RERANK_CPU_LEVEL") : options.cpu_level;
}

const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kAuto:
      return "auto";
    case Dtype::kF32:
      return "f32";
    case Dtype::kBf16:
      return "bf16";
    case Dtype::kInt8:
      return "int8";
  }
  return "";
}

}  // namespace

Result<ChosenOps> choose_ops(const EngineOptions& options) {
  RERANK_ASSIGN(const kernels::Level* level, kernels::choose_level(cpu_level_cap(options)));
  Dtype dtype = options.dtype;
  if (dtype == Dtype::kAuto) dtype = level->table->native_bf16 ? Dtype::kBf16 : Dtype::kF32;
  const Element weights = dtype == Dtype::kF32 ? Element::kF32 : Element::kBf16;
  return ChosenOps{kernels::Ops(*level->table, weights, dtype == Dtype::kInt8), std::string(level->name),
                   name_of(dtype), options.threads > 0 ? options.threads : usable_cpus()};
}

}  // namespace rerank
