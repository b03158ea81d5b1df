// AVX-512 without bf16 products: f32 throughout; bf16 weights are widened.
#include "kernels/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/target_region.h"

RERANK_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")
namespace rerank::kernels {
namespace avx512 {
namespace {

#include "kernels/vec_avx512.h"
//
#include "kernels/common-inl.h"
//
#include "kernels/activation-inl.h"

constexpr bool kNativeBf16 = false;
inline void begin_products() {}
inline void end_products() {}
constexpr std::size_t kBlockRows = 8, kBlockVecs = 2;

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
}  // namespace avx512
}  // namespace rerank::kernels
RERANK_TARGET_END

namespace rerank::kernels {
const KernelTable* avx512_table() {
  static constexpr KernelTable table{false,
                                     avx512::linear,
                                     avx512::attention,
                                     avx512::layer_norm,
                                     avx512::rotate_queries,
                                     avx512::store_keys_values,
                                     avx512::causal_attention,
                                     avx512::rms_norm,
                                     avx512::exp_sums,
                                     avx512::quantize_rows,
                                     avx512::to_tiles};
  return &table;
}
}  // namespace rerank::kernels
#else
namespace rerank::kernels {
const KernelTable* avx512_table() {
  return nullptr;
}
}  // namespace rerank::kernels
#endif
