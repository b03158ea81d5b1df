// Micro-benchmarks of the kernels on the shapes of real rerankers, one thread, every level of this CPU.
//
//   kernels_bench --benchmark_filter=amx
//
// `gflops` counts real rows only; rows named w8a8 turn their inputs into integers first. Weights are cycled through
// more memory than L2 holds, as a whole model would be.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/level.h"
#include "kernels/packed_weight.h"
#include "kernels/workspace.h"

namespace rerank::kernels {
namespace {

struct LinearShape {
  const char* name;
  std::size_t in, out;
  Activation activation;
};
constexpr LinearShape kLinearShapes[] = {
    {"minilm.qkv", 384, 1152, Activation::kNone},
    {"base.qkv", 768, 2304, Activation::kNone},
    {"base.up", 768, 3072, Activation::kNone},
    {"base.up.gelu", 768, 3072, Activation::kGelu},
    {"base.down", 3072, 768, Activation::kNone},
    {"large.up.gelu", 1024, 4096, Activation::kGelu},
    {"large.down", 4096, 1024, Activation::kNone},
    {"qwen0.5b.qkv", 896, 1152, Activation::kNone},
    {"qwen0.5b.gate_up", 896, 9728, Activation::kSiluGate},
    {"qwen0.5b.down", 4864, 896, Activation::kNone},
    {"qwen1.5b.gate_up", 1536, 17920, Activation::kSiluGate},
    {"qwen1.5b.down", 8960, 1536, Activation::kNone},
    {"gemma2b.gate_up", 2048, 32768, Activation::kGeluTanhGate},
};

// Numbers whose bits change from one to the next like those of a model: a product of constants draws less power, and
// runs at a higher clock, than any model's.
float normal_ish(std::size_t i) {
  std::uint64_t bits = (i + 1) * 0x9E3779B97F4A7C15u;
  bits ^= bits >> 29;
  bits *= 0xBF58476D1CE4E5B9u;
  bits ^= bits >> 32;
  float sum = -2;
  for (int k = 0; k < 4; ++k) sum += static_cast<float>(bits >> (16 * k) & 0xFFFF) / 65536.0f;
  return sum * 1.7f;
}

PackedWeight random_weight(const LinearShape& shape, WeightFormat format) {
  if (!is_grouped(format)) {
    const Element element = format == WeightFormat::kF32 ? Element::kF32 : Element::kBf16;
    const auto row = [](std::size_t r, std::span<float> values) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal_ish(r * 7919 + i) * 0.02f;
    };
    if (format == WeightFormat::kW8A8)
      return PackedWeight::pack_w8a8(shape.out, shape.in, PackedWeight::RowReader(row), {}, 2, "benchmark").value();
    return PackedWeight::pack(shape.out, shape.in, element, row, {}, 2, "benchmark").value();
  }
  const auto panel = [&](std::size_t p, const PackedWeight::QuantizedPanel& to) {
    const float levels = static_cast<float>(1u << bits_of(format));
    for (std::size_t i = 0; i < shape.in * kPanel; ++i)
      to.values[i] = static_cast<std::uint8_t>((0.5f + normal_ish(p * 7919 + i) * 0.1f) * levels);
    for (std::size_t i = 0; i < groups_of(shape.in) * kPanel; ++i) {
      to.scales[i] = 0.1f / levels;
      to.zeros[i] = static_cast<std::uint8_t>(levels / 2);
    }
  };
  return PackedWeight::pack_quantized(shape.out, shape.in, format, panel, {}, 2, "benchmark").value();
}

std::vector<PackedWeight> weights_beyond_l2(const LinearShape& shape, WeightFormat format) {
  std::vector<PackedWeight> weights;
  for (std::size_t bytes = 0; bytes < (std::size_t{96} << 20); bytes += weights.back().bytes())
    weights.push_back(random_weight(shape, format));
  return weights;
}

void run_linear(benchmark::State& state, const Level& level, const LinearShape& shape, Element element,
                WeightFormat format) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const Element x_element = level.table->native_bf16 ? element : Element::kF32;
  const std::size_t padded_rows = round_up(rows, kRowBlock);
  const auto weights = weights_beyond_l2(shape, format);
  AlignedBuffer x = AlignedBuffer::allocate(padded_rows * shape.in * 4, "x").value();
  std::vector<float> values(rows * shape.in);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal_ish(i);
  level.table->to_tiles(values.data(), rows, shape.in, shape.in, x_element, x.data());
  AlignedBuffer y = AlignedBuffer::allocate(padded_rows * shape.out * 4, "y").value();
  AlignedBuffer scratch = AlignedBuffer::allocate(linear_scratch_floats() * 4, "scratch").value();
  const bool w8a8 = format == WeightFormat::kW8A8;
  AlignedBuffer integers = AlignedBuffer::allocate(padded_rows * round_up(shape.in, kLineBytes), "integers").value();
  AlignedBuffer integer_rows = AlignedBuffer::allocate(rows * sizeof(IntegerRow), "integer rows").value();
  std::size_t turn = 0;
  for (auto _ : state) {
    const PackedWeight& w = weights[turn++ % weights.size()];
    if (w8a8)
      level.table->quantize_rows(x.data(), rows, w.in(), x_element, integers.data(), integer_rows.as<IntegerRow>());
    LinearArgs args{w8a8 ? integers.data() : x.data(),
                    w.panels(),
                    w.bias(),
                    y.data(),
                    rows,
                    w.in(),
                    w.out(),
                    0,
                    w8a8 ? Element::kU8 : x_element,
                    w.format(),
                    x_element,
                    shape.activation,
                    Store::kTiles,
                    scratch.as<float>()};
    args.x_rows = integer_rows.as<IntegerRow>();
    level.table->linear(args);
  }
  state.counters["gflops"] = benchmark::Counter(2e-9 * static_cast<double>(rows * shape.in * shape.out),
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.counters["weights_gb_s"] =
      benchmark::Counter(1e-9 * static_cast<double>(weights[0].bytes()), benchmark::Counter::kIsIterationInvariantRate);
}

void run_attention(benchmark::State& state, const Level& level, std::size_t heads, std::size_t dim, Element element) {
  const auto n = static_cast<std::uint32_t>(state.range(0));
  const Element used = level.table->native_bf16 ? element : Element::kF32;
  const std::uint32_t cu_seqlens[] = {0, n};
  const std::size_t width = heads * dim, stride = 3 * width;
  AlignedBuffer qkv = AlignedBuffer::allocate((n + 2 * kRowBlock) * stride * 4, "qkv").value();
  AlignedBuffer out = AlignedBuffer::allocate(round_up(n, kRowBlock) * width * 4, "out").value();
  AlignedBuffer scratch = AlignedBuffer::allocate(attention_scratch_bytes(n, dim, used), "scratch").value();
  const auto* q = qkv.data();
  for (auto _ : state)
    level.table->attention({q, q + width * size_of(used), q + 2 * width * size_of(used), stride, stride, cu_seqlens, 1,
                            heads, dim, 0, 0.125f, used, out.data(), scratch.data()});
  state.counters["gflops"] = benchmark::Counter(4e-9 * static_cast<double>(n) * static_cast<double>(n * width),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

struct CausalShape {
  const char* name;
  std::size_t heads, kv_heads, dim;
  float softcap;
};
constexpr CausalShape kCausalShapes[] = {
    {"causal.14/2x64", 14, 2, 64, 0}, {"causal.8/1x256", 8, 1, 256, 0}, {"causal.8/4x256.softcap", 8, 4, 256, 50}};

// The last `rows` tokens of a sequence of `length`. `gflops` counts the keys that each token sees.
void run_causal(benchmark::State& state, const Level& level, const CausalShape& shape, Element element) {
  const auto length = static_cast<std::uint32_t>(state.range(0)), rows = static_cast<std::uint32_t>(state.range(1));
  const Element used = level.table->native_bf16 ? element : Element::kF32;
  const std::size_t width = shape.heads * shape.dim, table_length = round_up(length, kPageTokens) / kPageTokens;
  const std::size_t page_bytes = kv_page_bytes(shape.kv_heads, shape.dim, used);
  AlignedBuffer memory = AlignedBuffer::allocate(table_length * page_bytes, "pages").value();
  std::vector<std::byte*> pages;
  for (std::size_t i = 0; i < table_length; ++i) pages.push_back(memory.data() + i * page_bytes);
  const std::uint32_t first_page[] = {0}, cu_rows[] = {0, rows}, lengths[] = {length};
  const std::size_t plane_stride = (round_up(rows, kRowBlock) * shape.heads / shape.kv_heads + kRowBlock) * shape.dim;
  AlignedBuffer planes = AlignedBuffer::allocate(shape.kv_heads * plane_stride * size_of(used), "planes").value();
  AlignedBuffer out = AlignedBuffer::allocate(round_up(rows, kRowBlock) * width * size_of(used), "out").value();
  AlignedBuffer scratch = AlignedBuffer::allocate(causal_attention_scratch_bytes(length, used), "scratch").value();
  for (auto _ : state)
    level.table->causal_attention({planes.data(),
                                   {pages.data(), first_page, cu_rows, lengths, 1},
                                   plane_stride,
                                   shape.heads,
                                   shape.kv_heads,
                                   shape.dim,
                                   0,
                                   0.125f,
                                   shape.softcap,
                                   used,
                                   out.data(),
                                   scratch.data()});
  const double pairs =
      static_cast<double>(rows) * (static_cast<double>(length) - 0.5 * (static_cast<double>(rows) - 1));
  state.counters["gflops"] =
      benchmark::Counter(4e-9 * pairs * static_cast<double>(width), benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  for (const Level& level : all_levels()) {
    if (level.table == nullptr || (level.needs & ~detect_cpu_features()) != 0) continue;
    for (const Element element : {Element::kF32, Element::kBf16}) {
      const std::string prefix = std::string(level.name) + (element == Element::kF32 ? "/f32/" : "/bf16/");
      for (const auto& [format, name] : {std::pair(format_of(element), ""),
                                         {WeightFormat::kInt8, "8bits."},
                                         {WeightFormat::kInt4, "4bits."},
                                         {WeightFormat::kW8A8, "w8a8."}})
        for (const LinearShape& shape : kLinearShapes)
          benchmark::RegisterBenchmark((prefix + name + shape.name).c_str(),
                                       [&level, &shape, element, format = format](benchmark::State& state) {
                                         run_linear(state, level, shape, element, format);
                                       })
              ->Arg(1)
              ->Arg(32)
              ->Arg(40)
              ->Arg(256)
              ->Arg(512);
      benchmark::RegisterBenchmark(
          (prefix + "attention.12x64").c_str(),
          [&level, element](benchmark::State& state) { run_attention(state, level, 12, 64, element); })
          ->Arg(40)
          ->Arg(256)
          ->Arg(512);
      for (const CausalShape& shape : kCausalShapes) {
        auto* registered = benchmark::RegisterBenchmark(
            (prefix + shape.name).c_str(),
            [&level, &shape, element](benchmark::State& state) { run_causal(state, level, shape, element); });
        for (const int length : {256, 512, 2048}) registered->Args({length, length})->Args({length, 1});
      }
    }
  }
}

}  // namespace
}  // namespace rerank::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  rerank::kernels::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
