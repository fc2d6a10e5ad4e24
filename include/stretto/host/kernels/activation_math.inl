// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations and their slopes: numeric/activation.hpp in lanes.

/// P(x), the normal distribution, of z = x / sqrt(2).
inline lanes normal_distribution(lanes z) { return fma(erf(z), set(0.5f), set(0.5f)); }

/// 2 sqrt(2 / pi) (x + 0.044715 x^3)
inline lanes gelu_inner(lanes x) { return mul(x, fma(mul(x, x), set(0.0713548163f), set(1.5957691216f))); }

template <activation Kind>
lanes activated(lanes x) {
  if constexpr (Kind == activation::relu) return larger(zero(), x);
  if constexpr (Kind == activation::relu_squared) return mul(larger(zero(), x), larger(zero(), x));
  if constexpr (Kind == activation::gelu) return mul(x, normal_distribution(mul(x, set(0.70710678118f))));
  if constexpr (Kind == activation::gelu_tanh) return mul(x, logistic(gelu_inner(x)));
  if constexpr (Kind == activation::silu) return mul(x, logistic(x));
  if constexpr (Kind == activation::tanh) return tanh(x);
  if constexpr (Kind == activation::logistic) return logistic(x);
  return x;
}

/// l and 1 - l of the logistic function's value l at x. The difference would cancel where l is nearly 1.
struct logistic_parts {
  lanes l, rest;
};
inline logistic_parts logistic_both(lanes x) {
  const lanes e = exp(smaller(set(80.0f), negate(x)));  // of infinity the rest would be no number
  const lanes l = div(set(1.0f), add(set(1.0f), e));
  return {l, mul(e, l)};
}
/// l + f l (1 - l)
inline lanes logistic_times(lanes x, lanes f) {
  const logistic_parts p = logistic_both(x);
  return fma(mul(p.l, f), p.rest, p.l);
}

template <activation Kind>
lanes activation_slope(lanes x) {
  if constexpr (Kind == activation::relu) return select(less(zero(), x), set(1.0f), zero());
  if constexpr (Kind == activation::relu_squared) return add(larger(zero(), x), larger(zero(), x));
  if constexpr (Kind == activation::gelu) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));  // beyond it is flat, and the limits are numbers
    const lanes z = mul(within, set(0.70710678118f));
    return fma(mul(within, set(0.39894228040f)), exp(negate(mul(z, z))), normal_distribution(z));
  }
  if constexpr (Kind == activation::gelu_tanh) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));
    return logistic_times(gelu_inner(within), mul(within, fma(mul(within, within), set(0.2140644488f), set(1.5957691216f))));
  }
  if constexpr (Kind == activation::silu) return logistic_times(x, larger(set(-128.0f), smaller(set(128.0f), x)));
  if constexpr (Kind == activation::tanh) {
    const lanes t = tanh(x);
    return fnma(t, t, set(1.0f));
  }
  if constexpr (Kind == activation::logistic) {
    const logistic_parts p = logistic_both(x);
    return mul(p.l, p.rest);
  }
  return set(1.0f);
}
