#include "kernels/level.h"

#include <fmt/format.h>

#include <array>

#include "kernels/kernel_table.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace rerank::kernels {

#if defined(__x86_64__)
namespace {

struct Cpuid {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Cpuid cpuid(unsigned leaf, unsigned subleaf) {
  Cpuid r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// Register sets that the operating system saves on a context switch.
std::uint64_t enabled_states() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

bool grant_amx() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of arch_prctl(2)
  constexpr long kTileData = 18;               // the state component of the tile registers
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures ask_cpu() {
  CpuFeatures found = 0;
  const auto add = [&found](bool present, CpuFeatures bit) { found |= present ? bit : 0; };
  const Cpuid one = cpuid(1, 0);
  if ((one.ecx & (1u << 27)) == 0) return 0;  // no OSXSAVE: no wide registers
  const std::uint64_t states = enabled_states();
  const Cpuid seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  if ((states & 0x6) == 0x6) {  // SSE and AVX registers
    add((seven.ebx & (1u << 5)) != 0, kAvx2);
    add((one.ecx & (1u << 12)) != 0, kFma);
  }
  if ((states & 0xE6) == 0xE6) {  // and the AVX-512 ones
    add((seven.ebx & (1u << 16)) != 0, kAvx512F);
    add((seven.ebx & (1u << 17)) != 0, kAvx512Dq);
    add((seven.ebx & (1u << 30)) != 0, kAvx512Bw);
    add((seven.ebx & (1u << 31)) != 0, kAvx512Vl);
    add((seven.ecx & (1u << 11)) != 0, kAvx512Vnni);
    add((seven_one.eax & (1u << 5)) != 0, kAvx512Bf16);
  }
  const bool tiles = (seven.edx & (1u << 24)) != 0 && (states & 0x60000) == 0x60000;
  if (tiles && grant_amx()) {
    found |= kAmxTile;
    add((seven.edx & (1u << 22)) != 0, kAmxBf16);
    add((seven.edx & (1u << 25)) != 0, kAmxInt8);
  }
  return found;
}

}  // namespace

CpuFeatures detect_cpu_features() {
  static const CpuFeatures features = ask_cpu();
  return features;
}
#else
CpuFeatures detect_cpu_features() {
  return 0;
}
#endif

std::span<const Level> all_levels() {
  constexpr CpuFeatures avx2 = kAvx2 | kFma;
  constexpr CpuFeatures avx512 = avx2 | kAvx512F | kAvx512Bw | kAvx512Vl | kAvx512Dq;
  constexpr CpuFeatures avx512_bf16 = avx512 | kAvx512Vnni | kAvx512Bf16;
  constexpr CpuFeatures amx = avx512_bf16 | kAmxTile | kAmxBf16 | kAmxInt8;
  static const std::array<Level, 5> levels = {{
      {"amx", amx, amx_table()},
      {"avx512-bf16", avx512_bf16, avx512_bf16_table()},
      {"avx512", avx512, avx512_table()},
      {"avx2", avx2, avx2_table()},
      {"scalar", 0, scalar_table()},
  }};
  return levels;
}

std::vector<const Level*> levels_on_this_cpu() {
  std::vector<const Level*> levels;
  for (const Level& level : all_levels())
    if (level.table != nullptr && (level.needs & ~detect_cpu_features()) == 0) levels.push_back(&level);
  return levels;
}

Result<const Level*> choose_level(std::string_view cap) {
  std::span<const Level> candidates = all_levels();
  if (!cap.empty()) {
    std::string names;
    while (!candidates.empty() && candidates.front().name != cap) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", candidates.front().name);
      candidates = candidates.subspan(1);
    }
    if (candidates.empty())
      return Error{Error::Code::kBadInput, fmt::format("\"{}\" is no CPU level", cap), "--cpu-level",
                   fmt::format("use one of {}", names)};
  }
  return best_level(candidates, detect_cpu_features());
}

}  // namespace rerank::kernels
