// Elementwise functions on Vec. No include guard: one copy for each target, inside its namespace and region.
// Coefficients: tools/fit_activations.py.

// e^x = 2^n (1 + r p) for -87 <= x <= 88, with |r| <= ln(2) / 2.
struct ExpParts {
  Vec n, r, p;
};
inline ExpParts exp_parts(Vec x) {
  const Vec n = round(mul(x, broadcast(1.44269504f)));
  // ln(2) in two parts, so that x - n ln(2) is exact to the last bits.
  const Vec r = fnma(n, broadcast(-2.12194440e-4f), fnma(n, broadcast(0.693359375f), x));
  Vec p = broadcast(0.0013836838770657778f);
  p = fma(p, r, broadcast(0.008374818600714207f));
  p = fma(p, r, broadcast(0.04166822507977486f));
  p = fma(p, r, broadcast(0.16666419804096222f));
  p = fma(p, r, broadcast(0.49999991059303284f));
  p = fma(p, r, broadcast(1.0f));
  return {n, r, p};
}

// e^x for x <= 88; below -87 it is e^-87 (about 1.6e-38). Relative error about 1e-7.
inline Vec exponential(Vec x) {
  const ExpParts e = exp_parts(max(x, broadcast(-87.0f)));
  return times_pow2(fma(e.p, e.r, broadcast(1.0f)), e.n);
}

// 1 - e^x for x <= 0, without the loss of a difference near 0. Relative error about 2e-7.
inline Vec one_minus_exponential(Vec x) {
  const ExpParts e = exp_parts(max(x, broadcast(-87.0f)));
  const Vec power = times_pow2(broadcast(1.0f), e.n);
  return fnma(power, mul(e.p, e.r), sub(broadcast(1.0f), power));
}

// x * Phi(x), the exact GELU (config "gelu"). The tail Phi(-|x|) = exp(-x^2 / 2) P(1 / (1 + 0.3 |x|)) keeps its
// relative accuracy, about 1e-7, far out, where a difference from 1 would lose it.
inline Vec gelu(Vec x) {
  const Vec a = absolute(x);
  const Vec t = reciprocal(fma(a, broadcast(0.3f), broadcast(1.0f)));
  Vec p = broadcast(0.038378164172172546f);
  p = fma(p, t, broadcast(-0.16916576027870178f));
  p = fma(p, t, broadcast(0.22865982353687286f));
  p = fma(p, t, broadcast(-0.07650662958621979f));
  p = fma(p, t, broadcast(0.14253588020801544f));
  p = fma(p, t, broadcast(0.09468329697847366f));
  p = fma(p, t, broadcast(0.12192041426897049f));
  p = fma(p, t, broadcast(0.11948768049478531f));
  p = fma(p, t, broadcast(7.16951444701408e-06f));
  const Vec tail = mul(exponential(mul(mul(a, a), broadcast(-0.5f))), p);
  return mul(x, if_negative(x, tail, sub(broadcast(1.0f), tail)));
}

// The same for results that are rounded to bf16: Phi(x) = 1/2 + x Q(x^2) on |x| <= 4.25, held constant beyond. Off by
// less than 3e-5 inside and by 6e-6 |x| outside, a hundredth of the rounding of a value near 1, for a third of the
// work.
inline Vec gelu_for_bf16(Vec x) {
  const Vec c = min(max(x, broadcast(-4.25f)), broadcast(4.25f));
  const Vec u = mul(c, c);
  Vec q = broadcast(4.547048848557722e-11f);
  q = fma(q, u, broadcast(-4.515285922934709e-09f));
  q = fma(q, u, broadcast(1.9861535349718906e-07f));
  q = fma(q, u, broadcast(-5.1475049076543655e-06f));
  q = fma(q, u, broadcast(8.848906145431101e-05f));
  q = fma(q, u, broadcast(-0.0010790775995701551f));
  q = fma(q, u, broadcast(0.009718777611851692f));
  q = fma(q, u, broadcast(-0.06619028002023697f));
  q = fma(q, u, broadcast(0.3988192081451416f));
  return mul(x, fma(c, q, broadcast(0.5f)));
}

inline Vec tanh(Vec x) {
  const Vec d = one_minus_exponential(mul(absolute(x), broadcast(-2.0f)));  // 1 - e^-2|x|, in [0, 1)
  const Vec y = div(d, sub(broadcast(2.0f), d));
  return if_negative(x, sub(broadcast(0.0f), y), y);
}

// x * sigmoid(z). From e^-|z|, which cannot overflow, so that both tails keep their relative accuracy.
inline Vec times_sigmoid(Vec x, Vec z) {
  const Vec e = exponential(sub(broadcast(0.0f), absolute(z)));  // in (0, 1]
  const Vec r = reciprocal(add(broadcast(1.0f), e));
  return mul(x, if_negative(z, mul(e, r), r));
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which is x * sigmoid of twice that argument.
inline Vec gelu_tanh(Vec x) {
  const Vec cubic = fma(mul(x, x), broadcast(0.0713548162726009f), broadcast(1.5957691216057308f));
  return times_sigmoid(x, mul(x, cubic));
}

template <Element kElement, Activation kActivation>
inline Vec activate(Vec x) {
  if constexpr (kActivation == Activation::kGelu && kElement == Element::kBf16) return gelu_for_bf16(x);
  if constexpr (kActivation == Activation::kGelu && kElement == Element::kF32) return gelu(x);
  if constexpr (kActivation == Activation::kRelu) return max(x, broadcast(0.0f));
  if constexpr (kActivation == Activation::kTanh) return tanh(x);
  if constexpr (kActivation == Activation::kSiluGate) return times_sigmoid(x, x);
  if constexpr (kActivation == Activation::kGeluTanhGate) return gelu_tanh(x);
  return x;
}
