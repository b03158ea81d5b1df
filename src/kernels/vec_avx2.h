// Eight f32 lanes. No include guard: one copy for each target that includes it, inside its namespace and region.

using Vec = __m256;
constexpr std::size_t kLanes = 8;

inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
inline Vec broadcast(float value) {
  return _mm256_set1_ps(value);
}
inline Vec add(Vec a, Vec b) {
  return _mm256_add_ps(a, b);
}
inline Vec sub(Vec a, Vec b) {
  return _mm256_sub_ps(a, b);
}
inline Vec mul(Vec a, Vec b) {
  return _mm256_mul_ps(a, b);
}
inline Vec div(Vec a, Vec b) {
  return _mm256_div_ps(a, b);
}
// 1 / a to about 1e-7: two steps, since the estimate has 12 bits.
inline Vec reciprocal(Vec a) {
  Vec r = _mm256_rcp_ps(a);
  for (int step = 0; step < 2; ++step) r = _mm256_fmadd_ps(_mm256_fnmadd_ps(a, r, _mm256_set1_ps(1.0f)), r, r);
  return r;
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}  // a * b + c
inline Vec fnma(Vec a, Vec b, Vec c) {
  return _mm256_fnmadd_ps(a, b, c);
}  // c - a * b
inline Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
inline Vec min(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
inline Vec round(Vec a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a * 2^n for a whole n >= -126: callers clamp.
inline Vec times_pow2(Vec a, Vec n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(a, _mm256_castsi256_ps(exponent));
}
inline Vec absolute(Vec a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
inline Vec if_negative(Vec condition, Vec yes, Vec no) {
  return _mm256_blendv_ps(no, yes, condition);
}
inline bool any_above(Vec a, Vec bound) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, bound, _CMP_GT_OQ)) != 0;
}
// The first `count` lanes of `a`; the others are `other`.
inline Vec first_lanes(Vec a, std::size_t count, Vec other) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i keep = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count > kLanes ? kLanes : count)), lane);
  return _mm256_blendv_ps(other, a, _mm256_castsi256_ps(keep));
}

// kLanes words of 32 bits.
using Words = __m256i;
inline Words load_words(const std::uint32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void store_words(float* bits, Words w) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(bits), w);
}
inline Words load_words(const std::uint16_t* p) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Words upper_halves(Words w) {
  return _mm256_srli_epi32(w, 16);
}
inline Vec numbers(Words w) {
  return _mm256_cvtepi32_ps(w);
}
inline Words broadcast_word(std::uint32_t w) {
  return _mm256_set1_epi32(static_cast<int>(w));
}
inline Words sub(Words a, Words b) {
  return _mm256_sub_epi32(a, b);
}
// Byte `byte` of each word, which is signed.
inline Words signed_byte(Words w, std::size_t byte) {
  const __m128i left = _mm_cvtsi32_si128(24 - 8 * static_cast<int>(byte));
  return _mm256_srai_epi32(_mm256_sll_epi32(w, left), 24);
}
// Signed bytes 0 and 2 of each word as its 16-bit halves, and bytes 1 and 3.
inline Words even_bytes(Words w) {
  return _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
}
inline Words odd_bytes(Words w) {
  return _mm256_srai_epi16(w, 8);
}
// The same for unsigned bytes.
inline Words even_unsigned_bytes(Words w) {
  return _mm256_and_si256(w, _mm256_set1_epi32(0x00FF00FF));
}
inline Words odd_unsigned_bytes(Words w) {
  return _mm256_srli_epi16(w, 8);
}
// sums + the products of the halves, both of each word.
inline Words add_products(Words sums, Words a, Words b) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
}
// 128 + a, rounded to nearest even, for |a| < 128.
inline void store_u8(std::uint8_t* p, Vec a) {
  const __m256i words = _mm256_cvtps_epi32(a);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  const __m128i bytes = _mm_xor_si128(_mm_packs_epi16(halves, halves), _mm_set1_epi8(-128));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
}
// The floats whose bits are (w & mask) | bits.
inline Vec masked_bits(Words w, std::uint32_t mask, std::uint32_t bits) {
  const __m256i masked = _mm256_and_si256(w, _mm256_set1_epi32(static_cast<int>(mask)));
  return _mm256_castsi256_ps(_mm256_or_si256(masked, _mm256_set1_epi32(static_cast<int>(bits))));
}

inline float sum(Vec a) {
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float largest(Vec a) {
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

// dst[c * dst_stride + r] = src[r * src_stride + c] for a 16 x 16 block of 32-bit values, as four 8 x 8 ones.
inline void transpose_8x8(const std::uint32_t* src, std::size_t src_stride, std::uint32_t* dst,
                          std::size_t dst_stride) {
  __m256 r[8], t[8];
  for (std::size_t i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(src + i * src_stride));
  for (std::size_t i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(reinterpret_cast<float*>(dst + i * dst_stride), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(reinterpret_cast<float*>(dst + (i + 4) * dst_stride),
                     _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}
inline void transpose_block(const std::uint32_t* src, std::size_t src_stride, std::uint32_t* dst,
                            std::size_t dst_stride) {
  for (std::size_t r = 0; r < 16; r += 8)
    for (std::size_t c = 0; c < 16; c += 8)
      transpose_8x8(src + r * src_stride + c, src_stride, dst + c * dst_stride + r, dst_stride);
}
