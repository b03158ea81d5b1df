// AMX: bf16 and int8 products on tile registers (Intel since Sapphire Rapids); the rest as AVX-512.
#include "kernels/kernel_table.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/target_region.h"

RERANK_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,amx-tile,amx-bf16,amx-int8")
namespace rerank::kernels {
namespace amx {
namespace {

#include "kernels/vec_avx512.h"
//
#include "kernels/common-inl.h"
//
#include "kernels/activation-inl.h"

constexpr bool kNativeBf16 = true;
constexpr std::size_t kBlockRows = 8, kBlockVecs = 2;

#include "kernels/block_f32-inl.h"
//
#include "kernels/bf16_lines-inl.h"
//
#include "kernels/block_amx-inl.h"
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
}  // namespace amx
}  // namespace rerank::kernels
RERANK_TARGET_END

namespace rerank::kernels {
const KernelTable* amx_table() {
  static constexpr KernelTable table{true,
                                     amx::linear,
                                     amx::attention,
                                     amx::layer_norm,
                                     amx::rotate_queries,
                                     amx::store_keys_values,
                                     amx::causal_attention,
                                     amx::rms_norm,
                                     amx::exp_sums,
                                     amx::quantize_rows,
                                     amx::to_tiles};
  return &table;
}
}  // namespace rerank::kernels
#else
namespace rerank::kernels {
const KernelTable* amx_table() {
  return nullptr;
}
}  // namespace rerank::kernels
#endif
