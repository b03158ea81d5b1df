#include "engine/matrix_peak.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/process.h"
#include "base/try.h"
#include "engine/choose_ops.h"
#include "kernels/ops.h"
#include "kernels/workspace.h"

namespace rerank {
namespace {

struct In;
struct Out;
constexpr std::size_t kRows = 256, kIn = 512, kOut = 512;
constexpr double kSeconds = 1, kSliceSeconds = 0.02;

// Numbers whose bits change from one to the next like those of a model: constants would draw less power.
float number(std::size_t i) {
  const std::uint32_t bits = static_cast<std::uint32_t>(i + 1) * 2654435761u;
  return static_cast<float>(bits >> 8) / static_cast<float>(1u << 24) - 0.5f;
}

// What one thread multiplies.
class Product {
 public:
  static Result<Product> make(const kernels::Ops& ops) {
    Product product(ops);
    const auto row = [](std::size_t r, std::span<float> values) {
      for (std::size_t k = 0; k < values.size(); ++k) values[k] = number(r * kIn + k);
    };
    RERANK_ASSIGN(auto packed, ops.integer_layers()
                                   ? kernels::PackedWeight::pack_w8a8(kOut, kIn, kernels::PackedWeight::RowReader(row),
                                                                      {}, 1, "a product")
                                   : kernels::PackedWeight::pack(kOut, kIn, ops.weights(), row, {}, 1, "a product"));
    product.weight_ = kernels::Weight<Out, In>(std::move(packed));
    kernels::Carver measure(nullptr);
    product.carve(measure);
    RERANK_TRY(product.workspace_.reserve(measure.used()));
    kernels::Carver carver = product.workspace_.carve();
    product.carve(carver);
    for (std::size_t r = 0; r < kRows; ++r) row(r, product.rows_.row(r).first(kIn));
    ops.to_tiles(product.rows_, product.x_);
    product.x_ = ops.layer_input(product.x_, product.integers_);
    return product;
  }

  // The most operations a second of all slices of a second.
  double run() {
    double best = 0;
    for (const double begin = wall_seconds(); wall_seconds() - begin < kSeconds;) {
      const double slice_begin = wall_seconds();
      std::size_t products = 0;
      double seconds = 0;
      do {
        ops_.linear(x_, weight_, kernels::Activation::kNone, y_, scratch_);
        ++products;
        seconds = wall_seconds() - slice_begin;
      } while (seconds < kSliceSeconds);
      best = std::max(best, 2.0 * kRows * kIn * kOut * static_cast<double>(products) / seconds);
    }
    return best;
  }

 private:
  explicit Product(const kernels::Ops& ops) : ops_(ops) {}
  void carve(kernels::Carver& carver) {
    rows_ = kernels::carve_acts<In>(carver, kRows, kIn);
    x_ = kernels::carve_tiles<In>(carver, kRows, kIn, ops_.activations());
    integers_ = kernels::carve_integers(carver, kRows, kIn);
    y_ = kernels::carve_tiles<Out>(carver, kRows, kOut, ops_.activations());
    scratch_ = carver.take<float>(kernels::linear_scratch_floats());
  }

  kernels::Ops ops_;
  kernels::Weight<Out, In> weight_;
  kernels::Workspace workspace_;
  kernels::Acts<In> rows_;
  kernels::Tiles<In> x_;
  kernels::Integers integers_;
  kernels::Tiles<Out> y_;
  float* scratch_ = nullptr;
};

}  // namespace

Result<double> measure_matrix_peak(const EngineOptions& options) {
  RERANK_ASSIGN(const ChosenOps chosen, choose_ops(options));
  std::vector<Product> products;
  for (int i = 0; i < chosen.threads; ++i) {
    RERANK_ASSIGN(Product product, Product::make(chosen.ops));
    products.push_back(std::move(product));
  }
  std::vector<double> rates(products.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < products.size(); ++i)
    threads.emplace_back([&rates, &products, i] { rates[i] = products[i].run(); });
  for (std::thread& thread : threads) thread.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

}  // namespace rerank
