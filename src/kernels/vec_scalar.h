// One f32 lane: the portable level. No include guard: included once, inside its namespace.

using Vec = float;
constexpr std::size_t kLanes = 1;

inline Vec load(const float* p) {
  return *p;
}
inline void store(float* p, Vec v) {
  *p = v;
}
inline Vec broadcast(float value) {
  return value;
}
inline Vec add(Vec a, Vec b) {
  return a + b;
}
inline Vec sub(Vec a, Vec b) {
  return a - b;
}
inline Vec mul(Vec a, Vec b) {
  return a * b;
}
inline Vec div(Vec a, Vec b) {
  return a / b;
}
inline Vec reciprocal(Vec a) {
  return 1.0f / a;
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return a * b + c;
}
inline Vec fnma(Vec a, Vec b, Vec c) {
  return c - a * b;
}
inline Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}
inline Vec min(Vec a, Vec b) {
  return a < b ? a : b;
}
inline Vec round(Vec a) {
  return std::nearbyint(a);
}
inline Vec times_pow2(Vec a, Vec n) {
  return std::ldexp(a, static_cast<int>(n));
}
inline Vec absolute(Vec a) {
  return std::fabs(a);
}
inline Vec if_negative(Vec condition, Vec yes, Vec no) {
  return condition < 0 ? yes : no;
}
inline bool any_above(Vec a, Vec bound) {
  return a > bound;
}
inline Vec first_lanes(Vec a, std::size_t count, Vec other) {
  return count > 0 ? a : other;
}

// A word of 32 bits.
using Words = std::uint32_t;
inline Words load_words(const std::uint32_t* p) {
  return *p;
}
inline Words load_words(const std::uint16_t* p) {
  return *p;
}
inline Words upper_halves(Words w) {
  return w >> 16;
}
inline Vec numbers(Words w) {
  return static_cast<float>(static_cast<std::int32_t>(w));
}
inline Words sub(Words a, Words b) {
  return a - b;
}
// Byte `byte` of the word, which is signed.
inline Words signed_byte(Words w, std::size_t byte) {
  return static_cast<Words>(std::int32_t{static_cast<std::int8_t>(w >> 8 * byte)});
}
// 128 + a, rounded to nearest even, for |a| < 128.
inline void store_u8(std::uint8_t* p, Vec a) {
  *p = static_cast<std::uint8_t>(static_cast<int>(std::nearbyint(a)) + 128);
}
// The float whose bits are (w & mask) | bits.
inline Vec masked_bits(Words w, std::uint32_t mask, std::uint32_t bits) {
  return std::bit_cast<float>((w & mask) | bits);
}

inline float sum(Vec a) {
  return a;
}
inline float largest(Vec a) {
  return a;
}

inline void transpose_block(const std::uint32_t* src, std::size_t src_stride, std::uint32_t* dst,
                            std::size_t dst_stride) {
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t c = 0; c < 16; ++c) dst[c * dst_stride + r] = src[r * src_stride + c];
}
