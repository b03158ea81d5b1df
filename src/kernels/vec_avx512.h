// Sixteen f32 lanes. No include guard: one copy for each target that includes it, inside its namespace and region.

using Vec = __m512;
constexpr std::size_t kLanes = 16;

inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
inline Vec broadcast(float value) {
  return _mm512_set1_ps(value);
}
inline Vec add(Vec a, Vec b) {
  return _mm512_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
  return _mm512_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
  return _mm512_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm512_div_ps(a, b);
}
// 1 / a to about 1e-7: a division takes longer than all the rest of an activation.
inline Vec reciprocal(Vec a) {
  const Vec r = _mm512_rcp14_ps(a);
  return _mm512_fmadd_ps(_mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0f)), r, r);
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}  // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) {
  return _mm512_fnmadd_ps(a, b, c);
}  // c - a * b
inline Vec max(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
  return _mm512_min_ps(a, b);
}
inline Vec round(Vec a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline Vec times_pow2(Vec a, Vec n) {
  return _mm512_scalef_ps(a, n);
}  // a * 2^n, n a whole number
inline Vec absolute(Vec a) {
  return _mm512_abs_ps(a);
}
inline Vec if_negative(Vec condition, Vec yes, Vec no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(condition, _mm512_setzero_ps(), _CMP_LT_OQ), no, yes);
}
inline bool any_above(Vec a, Vec bound) {
  return _mm512_cmp_ps_mask(a, bound, _CMP_GT_OQ) != 0;
}
// The first `count` lanes of `a`; the others are `other`.
inline Vec first_lanes(Vec a, std::size_t count, Vec other) {
  return _mm512_mask_blend_ps(static_cast<__mmask16>(count >= kLanes ? 0xFFFFu : (1u << count) - 1u), other, a);
}

// kLanes words of 32 bits.
using Words = __m512i;
inline Words load_words(const std::uint32_t* p) {
  return _mm512_loadu_si512(p);
}
inline void store_words(float* bits, Words w) {
  _mm512_storeu_si512(bits, w);
}
inline Words load_words(const std::uint16_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Words upper_halves(Words w) {
  return _mm512_srli_epi32(w, 16);
}
inline Vec numbers(Words w) {
  return _mm512_cvtepi32_ps(w);
}
inline Words broadcast_word(std::uint32_t w) {
  return _mm512_set1_epi32(static_cast<int>(w));
}
inline Words sub(Words a, Words b) {
  return _mm512_sub_epi32(a, b);
}
// Byte `byte` of each word, which is signed.
inline Words signed_byte(Words w, std::size_t byte) {
  const __m128i left = _mm_cvtsi32_si128(24 - 8 * static_cast<int>(byte));
  return _mm512_srai_epi32(_mm512_sll_epi32(w, left), 24);
}
// Signed bytes 0 and 2 of each word as its 16-bit halves, and bytes 1 and 3.
inline Words even_bytes(Words w) {
  return _mm512_srai_epi16(_mm512_slli_epi16(w, 8), 8);
}
inline Words odd_bytes(Words w) {
  return _mm512_srai_epi16(w, 8);
}
// The same for unsigned bytes.
inline Words even_unsigned_bytes(Words w) {
  return _mm512_and_si512(w, _mm512_set1_epi32(0x00FF00FF));
}
inline Words odd_unsigned_bytes(Words w) {
  return _mm512_srli_epi16(w, 8);
}
// sums + the products of the halves, both of each word.
inline Words add_products(Words sums, Words a, Words b) {
  return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
}
// 128 + a, rounded to nearest even, for |a| < 128.
inline void store_u8(std::uint8_t* p, Vec a) {
  const __m128i bytes = _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)), _mm_set1_epi8(-128));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
// The floats whose bits are (w & mask) | bits.
inline Vec masked_bits(Words w, std::uint32_t mask, std::uint32_t bits) {
  constexpr int kAndOr = 0xEA;
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(w, _mm512_set1_epi32(static_cast<int>(mask)),
                                                       _mm512_set1_epi32(static_cast<int>(bits)), kAndOr));
}

inline float sum(Vec a) {
  return _mm512_reduce_add_ps(a);
}
inline float largest(Vec a) {
  return _mm512_reduce_max_ps(a);
}

// dst[c * dst_stride + r] = src[r * src_stride + c] for a 16 x 16 block of 32-bit values.
inline void transpose_block(const std::uint32_t* src, std::size_t src_stride, std::uint32_t* dst,
                            std::size_t dst_stride) {
  __m512i r[16], t[16];
  for (std::size_t i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(src + i * src_stride);
  for (std::size_t i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm512_storeu_si512(dst + i * dst_stride, _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
    _mm512_storeu_si512(dst + (i + 8) * dst_stride, _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD));
    _mm512_storeu_si512(dst + (i + 4) * dst_stride, _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88));
    _mm512_storeu_si512(dst + (i + 12) * dst_stride, _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD));
  }
}
