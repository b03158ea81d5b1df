// Causal attention over scattered pages: every level against the reference, and rows that do not know with which others
// they are computed, in how many steps, or where their pages lie.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "kernels/reference.h"
#include "kernels/test_support.h"

namespace rerank::kernels {
namespace {

using testing::buffer;
using testing::elements_of;
using testing::random_values;

constexpr std::size_t kLongest = 320;

struct Shape {
  std::size_t heads, kv_heads, dim, window;
  float softcap;
  std::size_t group() const { return heads / kv_heads; }
};
std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << s.heads << '/' << s.kv_heads << 'x' << s.dim << " window " << s.window << " softcap " << s.softcap;
}

// Sequences end to end: q [tokens, heads * dim], kv [tokens, 2 * kv_heads * dim], before rotation.
struct Problem {
  Shape shape;
  std::vector<std::size_t> lengths, first;  // first: each sequence's first token
  std::vector<float> q, kv;
  std::size_t width() const { return shape.heads * shape.dim; }
  std::size_t kv_width() const { return 2 * shape.kv_heads * shape.dim; }
  std::size_t tokens() const { return std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}); }
  float scale() const { return 1 / std::sqrt(static_cast<float>(shape.dim)); }
};

Problem random_problem(const Shape& shape, const std::vector<std::size_t>& lengths) {
  Problem p{shape, lengths, {}, {}, {}};
  std::size_t tokens = 0;
  for (const std::size_t length : lengths) p.first.push_back(std::exchange(tokens, tokens + length));
  p.q = random_values(tokens * p.width(), 1, true, 2);
  p.kv = random_values(tokens * p.kv_width(), 2, true);
  return p;
}

const std::vector<float>& rotary_of(std::size_t dim) {
  static std::vector<std::vector<float>> tables(512);
  if (tables[dim].empty()) tables[dim] = testing::rotary_table(kLongest, dim);
  return tables[dim];
}

// The pages of a problem's sequences, shuffled, and what attention made of the rows asked for.
class Attended {
 public:
  Attended(const KernelTable& table, const Problem& p, Element element, unsigned seed)
      : table_(table), p_(p), element_(element), results_(p.tokens() * p.width(), NAN) {
    for (const std::size_t length : p.lengths) {
      first_page_.push_back(static_cast<std::uint32_t>(tables_.size()));
      tables_.resize(tables_.size() + round_up(length, kPageTokens) / kPageTokens);
    }
    const std::size_t page_bytes = kv_page_bytes(p.shape.kv_heads, p.shape.dim, element);
    pages_ = buffer(tables_.size() * page_bytes);
    for (std::size_t i = 0; i < tables_.size(); ++i) tables_[i] = pages_.data() + i * page_bytes;
    std::shuffle(tables_.begin(), tables_.end(), std::mt19937(seed));
  }

  // Stores the keys and values of the tokens from[s] .. to[s] of each sequence, those before them being there already.
  void store(const std::vector<std::size_t>& from, const std::vector<std::size_t>& to) {
    const Rows rows(*this, from, to);
    const std::vector<float> kv = gather(p_.kv, p_.kv_width(), from, to);
    table_.store_keys_values({kv.data(), rotary_of(p_.shape.dim).data(), rows.args, p_.kv_width(), p_.shape.kv_heads,
                              p_.shape.dim, element_});
  }

  // Attention of the tokens from[s] .. to[s], whose keys and values are there.
  void attend(const std::vector<std::size_t>& from, const std::vector<std::size_t>& to) {
    const Rows rows(*this, from, to);
    const Shape& s = p_.shape;
    const std::vector<float> q = gather(p_.q, p_.width(), from, to);
    const std::size_t count = rows.cu_rows.back(), plane_stride = (count * s.group() + kRowBlock) * s.dim;
    AlignedBuffer planes = buffer(s.kv_heads * plane_stride * size_of(element_));
    table_.rotate_queries({q.data(), rotary_of(s.dim).data(), rows.args, p_.width(), plane_stride, s.heads, s.kv_heads,
                           s.dim, element_, planes.data()});
    AlignedBuffer out = buffer(round_up(count, kRowBlock) * p_.width() * size_of(element_));
    AlignedBuffer scratch = buffer(causal_attention_scratch_bytes(kLongest, element_));
    table_.causal_attention({planes.data(), rows.args, plane_stride, s.heads, s.kv_heads, s.dim, s.window, p_.scale(),
                             s.softcap, element_, out.data(), scratch.data()});
    for (std::size_t i = 0, row = 0; i < from.size(); ++i)
      for (std::size_t token = from[i]; token < to[i]; ++token, ++row)
        for (std::size_t c = 0; c < p_.width(); ++c)
          results_[(p_.first[i] + token) * p_.width() + c] = testing::tile_value(out, p_.width(), element_, row, c);
  }

  float at(std::size_t sequence, std::size_t token, std::size_t column) const {
    return results_[(p_.first[sequence] + token) * p_.width() + column];
  }

 private:
  struct Rows {
    Rows(const Attended& run, const std::vector<std::size_t>& from, const std::vector<std::size_t>& to)
        : lengths(to.begin(), to.end()) {
      for (std::size_t i = 0; i < from.size(); ++i)
        cu_rows.push_back(cu_rows.back() + static_cast<std::uint32_t>(to[i] - from[i]));
      args = {run.tables_.data(), run.first_page_.data(), cu_rows.data(), lengths.data(), from.size()};
    }
    std::vector<std::uint32_t> cu_rows = {0}, lengths;
    CausalRows args;
  };

  std::vector<float> gather(const std::vector<float>& x, std::size_t width, const std::vector<std::size_t>& from,
                            const std::vector<std::size_t>& to) const {
    std::vector<float> part;
    for (std::size_t i = 0; i < from.size(); ++i)
      part.insert(part.end(), x.begin() + static_cast<std::ptrdiff_t>((p_.first[i] + from[i]) * width),
                  x.begin() + static_cast<std::ptrdiff_t>((p_.first[i] + to[i]) * width));
    return part;
  }

  const KernelTable& table_;
  const Problem& p_;
  Element element_;
  AlignedBuffer pages_;
  std::vector<std::byte*> tables_;
  std::vector<std::uint32_t> first_page_;
  std::vector<float> results_;
};

std::vector<std::size_t> zeros(const Problem& p) {
  return std::vector<std::size_t>(p.lengths.size(), 0);
}
Attended all_at_once(const KernelTable& table, const Problem& p, Element element) {
  Attended run(table, p, element, 1);
  run.store(zeros(p), p.lengths);
  run.attend(zeros(p), p.lengths);
  return run;
}

// The reference's rows of one head of one sequence.
std::vector<double> expected_head(const Problem& p, std::size_t sequence, std::size_t head) {
  const Shape& s = p.shape;
  std::vector<double> q, k, v;
  for (std::size_t token = 0; token < p.lengths[sequence]; ++token) {
    const float* angles = rotary_of(s.dim).data() + token * s.dim;
    const std::size_t row = p.first[sequence] + token, kv_head = head / s.group();
    const auto part = [&](const std::vector<float>& x, std::size_t width, std::size_t column) {
      const auto begin = x.begin() + static_cast<std::ptrdiff_t>(row * width + column);
      return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(s.dim));
    };
    const auto rotated_q = reference::rotate(part(p.q, p.width(), head * s.dim), angles);
    const auto rotated_k = reference::rotate(part(p.kv, p.kv_width(), kv_head * s.dim), angles);
    const auto value = part(p.kv, p.kv_width(), (s.kv_heads + kv_head) * s.dim);
    q.insert(q.end(), rotated_q.begin(), rotated_q.end());
    k.insert(k.end(), rotated_k.begin(), rotated_k.end());
    v.insert(v.end(), value.begin(), value.end());
  }
  return reference::causal_attention(q, k, v, s.dim, {s.window, p.scale(), s.softcap});
}

// Groups of 1, 2, 4, 7 and 8; windows of one token, of a few blocks, and beyond every sequence.
constexpr Shape kShapes[] = {{2, 2, 32, 0, 0},    {2, 1, 64, 48, 0}, {4, 1, 128, 0, 5},   {14, 2, 64, 0, 0},
                             {8, 1, 256, 48, 50}, {7, 1, 32, 1, 0},  {1, 1, 64, 1000, 0}, {4, 2, 96, 33, 50}};
const std::vector<std::size_t> kLengths = {1, 2, 31, 32, 33, 63, 64, 65, 100, 257};

TEST(CausalAttention, EveryLevelAgreesWithTheReference) {
  for (const Shape& shape : kShapes) {
    const Problem p = random_problem(shape, kLengths);
    std::vector<std::vector<double>> expected;
    for (std::size_t s = 0; s < p.lengths.size(); ++s)
      for (std::size_t head = 0; head < shape.heads; ++head) expected.push_back(expected_head(p, s, head));
    for (const Level* level : levels_on_this_cpu())
      for (const Element element : elements_of(*level->table)) {
        const Attended run = all_at_once(*level->table, p, element);
        // f32: the sums of the scores round once a dim. bf16 rounds queries, keys and each weight to 8 bits, and the
        // result once more.
        const double tolerance = element == Element::kF32 ? 6e-7 * std::sqrt(double(shape.dim)) : 4e-2;
        for (std::size_t s = 0; s < p.lengths.size(); ++s)
          for (std::size_t token = 0; token < p.lengths[s]; ++token)
            for (std::size_t c = 0; c < p.width(); ++c)
              ASSERT_NEAR(run.at(s, token, c),
                          expected[s * shape.heads + c / shape.dim][token * shape.dim + c % shape.dim], tolerance)
                  << level->name << ' ' << shape << " sequence " << s << " token " << token << " column " << c;
      }
  }
}

// Compares the rows from[s] .. to[s] of two runs of the same problem.
void expect_same_bits(const Problem& p, const Attended& a, const Attended& b, const std::vector<std::size_t>& from,
                      const std::string& what) {
  for (std::size_t s = 0; s < p.lengths.size(); ++s)
    for (std::size_t token = from[s]; token < p.lengths[s]; ++token)
      for (std::size_t c = 0; c < p.width(); ++c)
        ASSERT_EQ(a.at(s, token, c), b.at(s, token, c))
            << what << ' ' << p.shape << " sequence " << s << " token " << token << " column " << c;
}

TEST(CausalAttention, PrefixesThatWereComputedBeforeGiveTheSameBits) {
  const std::vector<std::size_t> lengths = {40, 1, 257, 64, 70};
  const std::vector<std::vector<std::size_t>> steps = {
      {0, 0, 0, 0, 0}, {7, 1, 45, 32, 69}, {33, 1, 200, 33, 69}, lengths};
  for (const Shape& shape : kShapes) {
    const Problem p = random_problem(shape, lengths);
    for (const Level* level : levels_on_this_cpu())
      for (const Element element : elements_of(*level->table)) {
        Attended stepwise(*level->table, p, element, 2);
        for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
          stepwise.store(steps[i], steps[i + 1]);
          stepwise.attend(steps[i], steps[i + 1]);
        }
        expect_same_bits(p, all_at_once(*level->table, p, element), stepwise, zeros(p), std::string(level->name));
      }
  }
}

TEST(CausalAttention, TheLastRowsAloneGiveTheSameBits) {
  const std::vector<std::size_t> lengths = {40, 1, 257, 64, 5};
  for (const Shape& shape : kShapes) {
    const Problem p = random_problem(shape, lengths);
    std::vector<std::size_t> last = lengths;
    for (std::size_t& token : last) --token;
    for (const Level* level : levels_on_this_cpu())
      for (const Element element : elements_of(*level->table)) {
        Attended run(*level->table, p, element, 3);
        run.store(zeros(p), lengths);
        run.attend(last, lengths);
        expect_same_bits(p, all_at_once(*level->table, p, element), run, last, std::string(level->name));
      }
  }
}

TEST(CausalAttention, ASequenceDoesNotDependOnTheOthers) {
  const std::vector<std::size_t> lengths = {5, 77, 40, 64};
  for (const Shape& shape : kShapes) {
    const Problem p = random_problem(shape, lengths);
    for (const Level* level : levels_on_this_cpu())
      for (const Element element : elements_of(*level->table)) {
        const Attended together = all_at_once(*level->table, p, element);
        Attended alone(*level->table, p, element, 4);
        for (std::size_t s = 0; s < lengths.size(); ++s) {
          std::vector<std::size_t> only = zeros(p);
          only[s] = lengths[s];
          alone.store(zeros(p), only);
          alone.attend(zeros(p), only);
        }
        expect_same_bits(p, together, alone, zeros(p), std::string(level->name));
      }
  }
}

// Scores far apart: the largest decides, nothing overflows.
TEST(CausalAttention, ExtremeScoresDoNotOverflow) {
  for (const Shape& shape : {Shape{4, 2, 64, 0, 0}, Shape{4, 2, 64, 20, 50}}) {
    Problem p = random_problem(shape, {50});
    for (float& value : p.q) value *= 1e3f;
    for (float& value : p.kv) value *= 1e3f;
    for (const Level* level : levels_on_this_cpu())
      for (const Element element : elements_of(*level->table)) {
        const Attended run = all_at_once(*level->table, p, element);
        for (std::size_t token = 0; token < 50; ++token)
          for (std::size_t c = 0; c < p.width(); ++c) ASSERT_TRUE(std::isfinite(run.at(0, token, c))) << level->name;
      }
  }
}

}  // namespace
}  // namespace rerank::kernels
