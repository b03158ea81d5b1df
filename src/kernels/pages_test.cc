// Where rotated queries, keys and values come to lie, element by element.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::elements_of;
using testing::random_values;

constexpr std::size_t kDim = 64, kKvHeads = 2, kHeads = 6;

float value_at(const std::byte* data, std::size_t index, Element element) {
  if (element == Element::kF32) return reinterpret_cast<const float*>(data)[index];
  return bf16_to_f32(reinterpret_cast<const std::uint16_t*>(data)[index]);
}
float rounded(double value, Element element) {
  const auto f32 = static_cast<float>(value);
  return element == Element::kF32 ? f32 : bf16_to_f32(f32_to_bf16(f32));
}
// Of a value near 1 in magnitude; f32 sums may fall on the other side of a bf16's border.
double tolerance(Element element) {
  return element == Element::kF32 ? 1e-6 : 0x1p-6;
}

std::vector<double> rotated(const float* x, const std::vector<float>& rotary, std::size_t position) {
  return reference::rotate(std::vector<double>(x, x + kDim), rotary.data() + position * kDim);
}

// Two sequences: tokens 3 .. 5 of the first, 30 .. 34 of the second.
struct TwoSequences {
  explicit TwoSequences(Element element)
      : page_bytes(kv_page_bytes(kKvHeads, kDim, element)), memory(buffer(3 * page_bytes)) {
    std::memset(memory.data(), 0x41, 3 * page_bytes);  // what earlier tokens left there
    for (std::size_t i = 0; i < 3; ++i) pages.push_back(memory.data() + (2 - i) * page_bytes);
  }
  CausalRows rows() const { return {pages.data(), first_page, cu_rows, lengths, 2}; }
  std::size_t page_bytes;
  AlignedBuffer memory;
  std::vector<std::byte*> pages;
  std::uint32_t first_page[2] = {0, 1}, cu_rows[3] = {0, 2, 6}, lengths[2] = {5, 34};
};
constexpr std::size_t kPositions[] = {3, 4, 30, 31, 32, 33}, kPageOf[] = {0, 0, 1, 1, 2, 2};

TEST(Pages, QueriesLieInPlanesOfTheirKeyHead) {
  const auto x = random_values(6 * kHeads * kDim, 1, false);
  const auto rotary = testing::rotary_table(40, kDim);
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      const TwoSequences two(element);
      const std::size_t group = kHeads / kKvHeads, plane_stride = 8 * group * kDim;
      AlignedBuffer planes = buffer(kKvHeads * plane_stride * size_of(element));
      level->table->rotate_queries({x.data(), rotary.data(), two.rows(), kHeads * kDim, plane_stride, kHeads, kKvHeads,
                                    kDim, element, planes.data()});
      for (std::size_t r = 0; r < 6; ++r)
        for (std::size_t head = 0; head < kHeads; ++head) {
          const auto expected = rotated(x.data() + (r * kHeads + head) * kDim, rotary, kPositions[r]);
          for (std::size_t d = 0; d < kDim; ++d) {
            const std::size_t at = head / group * plane_stride + (r * group + head % group) * kDim + d;
            ASSERT_NEAR(value_at(planes.data(), at, element), rounded(expected[d], element), tolerance(element))
                << level->name << " row " << r << " head " << head << " dim " << d;
          }
        }
    }
}

TEST(Pages, KeysAndValuesLieAsProductsReadThemAndOthersStay) {
  const std::size_t width = 2 * kKvHeads * kDim;
  const auto x = random_values(6 * width, 2, false);
  const auto rotary = testing::rotary_table(40, kDim);
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      TwoSequences two(element);
      level->table->store_keys_values({x.data(), rotary.data(), two.rows(), width, kKvHeads, kDim, element});
      const std::size_t pairs = element == Element::kF32 ? 1 : 2;  // inputs side by side
      const std::size_t head_elements = kDim * kPageTokens;
      for (std::size_t r = 0; r < 6; ++r)
        for (std::size_t head = 0; head < kKvHeads; ++head) {
          std::byte* page = two.pages[kPageOf[r]];
          const float* key = x.data() + r * width + head * kDim;
          const auto expected = rotated(key, rotary, kPositions[r]);
          const std::size_t token = kPositions[r] % kPageTokens;
          for (std::size_t d = 0; d < kDim; ++d) {
            const std::size_t keys = 2 * head * head_elements, values = keys + head_elements;
            const std::size_t key_at = keys + (d / pairs * kPageTokens + token) * pairs + d % pairs;
            const std::size_t value_of = values + d / kPanel * kPanel * kPageTokens +
                                         (token / pairs * kPanel + d % kPanel) * pairs + token % pairs;
            ASSERT_NEAR(value_at(page, key_at, element), rounded(expected[d], element), tolerance(element))
                << level->name << " row " << r << " head " << head << " dim " << d;
            ASSERT_EQ(value_at(page, value_of, element), rounded(key[kKvHeads * kDim + d], element))
                << level->name << " row " << r << " head " << head << " dim " << d;
            std::memset(page + key_at * size_of(element), 0x41, size_of(element));
            std::memset(page + value_of * size_of(element), 0x41, size_of(element));
          }
        }
      for (std::size_t i = 0; i < 3 * two.page_bytes; ++i)
        ASSERT_EQ(two.memory.data()[i], std::byte{0x41}) << level->name << " changed byte " << i;
    }
}

}  // namespace
}  // namespace rerank::kernels
