// AVX2 and FMA: f32 products; bf16 weights are widened.
#include "kernels/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/target_region.h"

RERANK_TARGET_BEGIN("avx2,fma")
namespace rerank::kernels {
namespace avx2 {
namespace {

#include "kernels/vec_avx2.h"
//
#include "kernels/common-inl.h"
//
#include "kernels/activation-inl.h"

constexpr bool kNativeBf16 = false;
inline void begin_products() {}
inline void end_products() {}
constexpr std::size_t kBlockRows = 4, kBlockVecs = 2;

#include "kernels/block_f32-inl.h"
//
#include "kernels/quads_widened-inl.h"
//
#include "kernels/block_u8-inl.h"
//

#include "kernels/widen-inl.h"
//
#include "kernels/epilogue-inl.h"
//
#include "kernels/linear-inl.h"
//
#include "kernels/quantize_rows-inl.h"
//
#include "kernels/rowwise-inl.h"
//
#include "kernels/softmax-inl.h"
//
#include "kernels/attention-inl.h"
//
#include "kernels/pages-inl.h"
//
#include "kernels/causal_attention-inl.h"

}  // namespace
}  // namespace avx2
}  // namespace rerank::kernels
RERANK_TARGET_END

namespace rerank::kernels {
const KernelTable* avx2_table() {
  static constexpr KernelTable table{false,
                                     avx2::linear,
                                     avx2::attention,
                                     avx2::layer_norm,
                                     avx2::rotate_queries,
                                     avx2::store_keys_values,
                                     avx2::causal_attention,
                                     avx2::rms_norm,
                                     avx2::exp_sums,
                                     avx2::quantize_rows,
                                     avx2::to_tiles};
  return &table;
}
}  // namespace rerank::kernels
#else
namespace rerank::kernels {
const KernelTable* avx2_table() {
  return nullptr;
}
}  // namespace rerank::kernels
#endif
