#include "kernels/level.h"

#include <gtest/gtest.h>

#include <array>

#include "kernels/kernel_table.h"

namespace rerank::kernels {
namespace {

constexpr CpuFeatures kNoFeatures = 0;
constexpr CpuFeatures kHaswell = kAvx2 | kFma;
constexpr CpuFeatures kSkylakeX = kHaswell | kAvx512F | kAvx512Bw | kAvx512Vl | kAvx512Dq;
constexpr CpuFeatures kZen4 = kSkylakeX | kAvx512Vnni | kAvx512Bf16;
constexpr CpuFeatures kSapphireRapids = kZen4 | kAmxTile | kAmxBf16 | kAmxInt8;

struct LevelCase {
  const char* why;
  CpuFeatures cpu;
  const char* level;
};
class BestLevel : public ::testing::TestWithParam<LevelCase> {};
INSTANTIATE_TEST_SUITE_P(Table, BestLevel,
                         ::testing::Values(LevelCase{"nothing", kNoFeatures, "scalar"},
                                           LevelCase{"AVX2 without FMA", kAvx2, "scalar"},
                                           LevelCase{"AVX2 and FMA", kHaswell, "avx2"},
                                           LevelCase{"AVX-512 without DQ", kSkylakeX & ~kAvx512Dq, "avx2"},
                                           LevelCase{"AVX-512", kSkylakeX, "avx512"},
                                           LevelCase{"bf16 without AMX", kZen4, "avx512-bf16"},
                                           LevelCase{"bf16 without VNNI", kZen4 & ~kAvx512Vnni, "avx512"},
                                           LevelCase{"AMX without int8", kSapphireRapids & ~kAmxInt8, "avx512-bf16"},
                                           LevelCase{"AMX not granted by the system", kZen4 | kAmxTile, "avx512-bf16"},
                                           LevelCase{"AMX", kSapphireRapids, "amx"}));
TEST_P(BestLevel, NeverPicksWhatTheCpuLacks) {
#if defined(__x86_64__)
  EXPECT_EQ(best_level(all_levels(), GetParam().cpu)->name, GetParam().level) << GetParam().why;
#endif
}

TEST(Levels, ACapIsObeyed) {
  for (const Level& level : all_levels()) {
    const auto chosen = choose_level(level.name);
    ASSERT_TRUE(chosen.ok());
    EXPECT_GE(chosen.value() - all_levels().data(), &level - all_levels().data())
        << "chose a level above " << level.name;
  }
}

TEST(Levels, AnUnknownNameIsAnErrorThatListsTheNames) {
  const auto chosen = choose_level("avx9000");
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().code, Error::Code::kBadInput);
  EXPECT_NE(chosen.error().fix.find("avx512-bf16, avx512, avx2, scalar"), std::string::npos) << chosen.error().fix;
}

}  // namespace
}  // namespace rerank::kernels
