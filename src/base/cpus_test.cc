#include "base/cpus.h"

#include <gtest/gtest.h>

namespace rerank {
namespace {

struct QuotaCase {
  const char* cpu_max;
  int cpus;
};
class Quota : public ::testing::TestWithParam<QuotaCase> {};
INSTANTIATE_TEST_SUITE_P(Table, Quota,
                         ::testing::Values(QuotaCase{"max 100000", 0}, QuotaCase{"200000 100000", 2},
                                           QuotaCase{"150000 100000", 2}, QuotaCase{"50000 100000", 1},
                                           QuotaCase{"", 0}, QuotaCase{"12", 0}, QuotaCase{"-1 100000", 0},
                                           QuotaCase{"200000 0", 0}));
TEST_P(Quota, GivesWholeCpus) {
  EXPECT_EQ(cpus_of_quota(GetParam().cpu_max), GetParam().cpus) << GetParam().cpu_max;
}

TEST(UsableCpus, IsAtLeastOne) {
  EXPECT_GE(usable_cpus(), 1);
}

}  // namespace
}  // namespace rerank
