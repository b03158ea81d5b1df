#include <gtest/gtest.h>

#include <cmath>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::elements_of;
using testing::random_values;

struct Problem {
  std::vector<std::uint32_t> cu_seqlens;
  std::size_t heads, dim;      // dim a multiple of 32
  std::vector<float> q, k, v;  // [rows, heads * dim]
  std::size_t rows() const { return cu_seqlens.back(); }
  std::size_t width() const { return heads * dim; }
};

Problem random_problem(const std::vector<std::uint32_t>& lengths, std::size_t heads, std::size_t dim) {
  Problem p{{0}, heads, dim, {}, {}, {}};
  for (const auto length : lengths) p.cu_seqlens.push_back(p.cu_seqlens.back() + length);
  const std::size_t count = p.rows() * p.width();
  p.q = random_values(count, 1, true);
  p.k = random_values(count, 2, true);
  p.v = random_values(count, 3, true);
  return p;
}

AlignedBuffer as_heads(const std::vector<float>& values, std::size_t width, Element element) {
  AlignedBuffer out = buffer((values.size() + kRowBlock * width) * size_of(element));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (element == Element::kF32) {
      out.as<float>()[i] = values[i];
    } else {
      out.as<std::uint16_t>()[i] = f32_to_bf16(values[i]);
    }
  return out;
}

AlignedBuffer run(const KernelTable& table, const Problem& p, Element element, std::size_t query_rows = 0) {
  std::vector<float> q = p.q;
  if (query_rows != 0) {
    q.clear();
    for (std::size_t s = 0; s + 1 < p.cu_seqlens.size(); ++s)
      q.insert(q.end(), p.q.begin() + static_cast<std::ptrdiff_t>(p.cu_seqlens[s] * p.width()),
               p.q.begin() + static_cast<std::ptrdiff_t>((p.cu_seqlens[s] + query_rows) * p.width()));
  }
  const AlignedBuffer qs = as_heads(q, p.width(), element), ks = as_heads(p.k, p.width(), element),
                      vs = as_heads(p.v, p.width(), element);
  std::size_t longest = 0;
  for (std::size_t s = 0; s + 1 < p.cu_seqlens.size(); ++s)
    longest = std::max<std::size_t>(longest, p.cu_seqlens[s + 1] - p.cu_seqlens[s]);
  AlignedBuffer out = buffer(round_up(p.rows(), kRowBlock) * p.width() * size_of(element));
  AlignedBuffer scratch = buffer(attention_scratch_bytes(longest, p.dim, element));
  table.attention({qs.data(), ks.data(), vs.data(), p.width(), p.width(), p.cu_seqlens.data(), p.cu_seqlens.size() - 1,
                   p.heads, p.dim, query_rows, 0.125f, element, out.data(), scratch.data()});
  return out;
}

TEST(Attention, EveryLevelAgreesWithTheReference) {
  const Problem p = random_problem({1, 31, 32, 33, 100, 3}, 2, 64);
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      const AlignedBuffer out = run(*level->table, p, element);
      // bf16 rounds each weight to 8 bits, and the result once more.
      const double tolerance = element == Element::kF32 ? 2e-6 : 2e-2;
      for (std::size_t s = 0; s + 1 < p.cu_seqlens.size(); ++s)
        for (std::size_t head = 0; head < p.heads; ++head) {
          const std::size_t first = p.cu_seqlens[s], n = p.cu_seqlens[s + 1] - first;
          const auto slice = [&](const std::vector<float>& all) {
            std::vector<float> part;
            for (std::size_t r = 0; r < n; ++r)
              for (std::size_t d = 0; d < p.dim; ++d) part.push_back(all[(first + r) * p.width() + head * p.dim + d]);
            return part;
          };
          const auto expected = reference::attention(slice(p.q), slice(p.k), slice(p.v), n, n, p.dim, 0.125);
          for (std::size_t r = 0; r < n; ++r)
            for (std::size_t d = 0; d < p.dim; ++d)
              ASSERT_NEAR(testing::tile_value(out, p.width(), element, first + r, head * p.dim + d),
                          expected[r * p.dim + d], tolerance)
                  << level->name << " sequence " << s << " head " << head << " row " << r;
        }
    }
}

TEST(Attention, ASequenceDoesNotDependOnWhereItLies) {
  const Problem all = random_problem({5, 77, 40, 64}, 1, 32);
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      const AlignedBuffer together = run(*level->table, all, element);
      for (std::size_t s = 0; s + 1 < all.cu_seqlens.size(); ++s) {
        const std::size_t first = all.cu_seqlens[s], n = all.cu_seqlens[s + 1] - first;
        Problem alone{{0, static_cast<std::uint32_t>(n)}, 1, 32, {}, {}, {}};
        const auto slice = [&](const std::vector<float>& values) {
          return std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(first * all.width()),
                                    values.begin() + static_cast<std::ptrdiff_t>((first + n) * all.width()));
        };
        alone.q = slice(all.q), alone.k = slice(all.k), alone.v = slice(all.v);
        const AlignedBuffer one = run(*level->table, alone, element);
        for (std::size_t r = 0; r < n; ++r)
          for (std::size_t d = 0; d < 32; ++d)
            ASSERT_EQ(testing::tile_value(one, 32, element, r, d),
                      testing::tile_value(together, 32, element, first + r, d))
                << level->name << " sequence " << s;
      }
    }
}

TEST(Attention, TheFirstRowsAloneGiveTheSameBits) {
  const Problem p = random_problem({40, 9, 70}, 2, 32);
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      const AlignedBuffer full = run(*level->table, p, element), first = run(*level->table, p, element, 1);
      for (std::size_t s = 0; s < 3; ++s)
        for (std::size_t c = 0; c < p.width(); ++c)
          ASSERT_EQ(testing::tile_value(first, p.width(), element, s, c),
                    testing::tile_value(full, p.width(), element, p.cu_seqlens[s], c))
              << level->name;
    }
}

// Scores far apart: the largest decides, nothing overflows.
TEST(Attention, ExtremeScoresDoNotOverflow) {
  Problem p = random_problem({50}, 1, 32);
  for (float& value : p.q) value *= 1e3f;
  for (float& value : p.k) value *= 1e3f;
  for (const Level* level : levels_on_this_cpu())
    for (const Element element : elements_of(*level->table)) {
      const AlignedBuffer out = run(*level->table, p, element);
      for (std::size_t r = 0; r < 50; ++r)
        for (std::size_t d = 0; d < 32; ++d)
          ASSERT_TRUE(std::isfinite(testing::tile_value(out, 32, element, r, d))) << level->name;
    }
}

}  // namespace
}  // namespace rerank::kernels
