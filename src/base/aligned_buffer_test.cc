#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace rerank {
namespace {

TEST(AlignedBuffer, IsAlignedAndZero) {
  auto buffer = AlignedBuffer::allocate(4097, "test");
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.value().data()) % 64, 0u);
  for (std::size_t i = 0; i < 4097; ++i) ASSERT_EQ(buffer.value().data()[i], std::byte{0});
}

TEST(AlignedBuffer, AnAbsurdSizeIsAnErrorAndNoCrash) {
  for (const std::size_t bytes : {std::size_t{1} << 60, ~std::size_t{0}}) {
    auto buffer = AlignedBuffer::allocate(bytes, "test weights");
    ASSERT_FALSE(buffer.ok());
    EXPECT_EQ(buffer.error().code, Error::Code::kOutOfMemory);
    EXPECT_EQ(buffer.error().where, "test weights");
  }
}

TEST(AlignedBuffer, EmptyIsFine) {
  auto buffer = AlignedBuffer::allocate(0, "nothing");
  ASSERT_TRUE(buffer.ok());
  EXPECT_TRUE(buffer.value().empty());
}

}  // namespace
}  // namespace rerank
