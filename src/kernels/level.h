// CPU levels: a level is a set of features that its files are compiled for, and it is chosen once by a pure function.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "rerank/error.h"

namespace rerank::kernels {

// Bits of a CpuFeatures set. Each names one CPUID flag; AMX also means that the system grants its registers.
using CpuFeatures = std::uint32_t;
inline constexpr CpuFeatures kAvx2 = 1u << 0, kFma = 1u << 1, kAvx512F = 1u << 2, kAvx512Bw = 1u << 3,
                             kAvx512Vl = 1u << 4, kAvx512Dq = 1u << 5, kAvx512Bf16 = 1u << 6, kAmxTile = 1u << 7,
                             kAmxBf16 = 1u << 8, kAvx512Vnni = 1u << 9, kAmxInt8 = 1u << 10;

// What this CPU and this operating system offer; asks for AMX permission on the first call.
CpuFeatures detect_cpu_features();

struct KernelTable;

struct Level {
  std::string_view name;
  CpuFeatures needs;         // exactly the features that the level's file is compiled with
  const KernelTable* table;  // nullptr when this build has no code for it
};

// All levels, best first; the last one is "scalar" and needs nothing.
std::span<const Level> all_levels();

// The first level of `best_first` whose features are all there.
constexpr const Level* best_level(std::span<const Level> best_first, CpuFeatures cpu) {
  for (const Level& level : best_first)
    if (level.table != nullptr && (level.needs & ~cpu) == 0) return &level;
  return nullptr;
}

// Those of them that this build has code for and this machine can run, best first.
std::vector<const Level*> levels_on_this_cpu();

// The best level of this machine, but none above `cap` (a level's name; empty: no cap).
// kBadInput for an unknown name, with the list of names.
Result<const Level*> choose_level(std::string_view cap);

}  // namespace rerank::kernels
