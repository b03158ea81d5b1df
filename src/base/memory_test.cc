#include "base/memory.h"

#include <gtest/gtest.h>

namespace rerank {
namespace {

TEST(MemoryOfLimit, IsANumberOfBytesOrNone) {
  EXPECT_EQ(memory_of_limit("4294967296"), 4294967296u);
  for (const char* none : {"max", "", "-1", "12 bytes", "99999999999999999999999"})
    EXPECT_EQ(memory_of_limit(none), 0u) << none;
}

TEST(UsableMemory, IsSomethingThatAProgramRunsIn) {
  EXPECT_GT(usable_memory(), std::uint64_t{16} << 20);
}

}  // namespace
}  // namespace rerank
