// bf16 values in memory, for targets with AVX512-BF16. No include guard: one copy for each target.

template <>
inline Vec load_lanes<Element::kBf16>(const std::byte* from) {
  const __m512i halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(halves, 16));
}

template <>
inline void store_lanes<Element::kBf16>(void* to, Vec v) {
  const __m256bh values = _mm512_cvtneps_pbh(v);
  _mm256_storeu_si256(static_cast<__m256i*>(to), reinterpret_cast<const __m256i&>(values));
}

template <>
inline void store_line<Element::kBf16>(void* line, const Vec* v) {
  const __m512bh values = _mm512_cvtne2ps_pbh(v[1], v[0]);
  _mm512_storeu_si512(line, reinterpret_cast<const __m512i&>(values));
}

template <>
struct TwoInputs<Element::kBf16> {
  __m512i pairs;

  TwoInputs(Vec even, Vec odd) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512bh values = _mm512_cvtne2ps_pbh(odd, even);
    pairs = _mm512_permutexvar_epi16(order, reinterpret_cast<const __m512i&>(values));
  }
  void store_to(std::byte* panel) const { _mm512_storeu_si512(panel, pairs); }
  Vec add_to(Vec sums, const std::byte* x) const {
    const __m512i inputs = _mm512_set1_epi32(*reinterpret_cast<const int*>(x));
    return _mm512_dpbf16_ps(sums, reinterpret_cast<const __m512bh&>(inputs), reinterpret_cast<const __m512bh&>(pairs));
  }
};

template <>
inline void interleave<Element::kBf16>(const bf16* even, const bf16* odd, bf16* out) {
  for (std::size_t i = 0; i < kPanel; i += 16) {
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(even + i)));
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(odd + i)));
    _mm512_storeu_si512(out + 2 * i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}
