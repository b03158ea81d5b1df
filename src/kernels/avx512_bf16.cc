// AVX-512 with dot products of bf16 and of 8-bit integers (AMD since Zen 4, Intel since Cooper Lake).
#include "kernels/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/target_region.h"

RERANK_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")
namespace rerank::kernels {
namespace avx512_bf16 {
namespace {

#include "kernels/vec_avx512.h"
//
#include "kernels/common-inl.h"
//
#include "kernels/activation-inl.h"

constexpr bool kNativeBf16 = true;
inline void begin_products() {}
inline void end_products() {}
constexpr std::size_t kBlockRows = 8, kBlockVecs = 2;

#include "kernels/block_f32-inl.h"
//
#include "kernels/bf16_lines-inl.h"
//
#include "kernels/block_avx512_bf16-inl.h"
//
#include "kernels/quads_vnni-inl.h"
//
#include "kernels/block_u8-inl.h"
//

#include "kernels/widen-inl.h"
//
#include "kernels/epilogue-inl.h"
//
#include "kernels/integers_avx512_bf16-inl.h"
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
}  // namespace avx512_bf16
}  // namespace rerank::kernels
RERANK_TARGET_END

namespace rerank::kernels {
const KernelTable* avx512_bf16_table() {
  static constexpr KernelTable table{true,
                                     avx512_bf16::linear,
                                     avx512_bf16::attention,
                                     avx512_bf16::layer_norm,
                                     avx512_bf16::rotate_queries,
                                     avx512_bf16::store_keys_values,
                                     avx512_bf16::causal_attention,
                                     avx512_bf16::rms_norm,
                                     avx512_bf16::exp_sums,
                                     avx512_bf16::quantize_rows,
                                     avx512_bf16::to_tiles};
  return &table;
}
}  // namespace rerank::kernels
#else
namespace rerank::kernels {
const KernelTable* avx512_bf16_table() {
  return nullptr;
}
}  // namespace rerank::kernels
#endif
