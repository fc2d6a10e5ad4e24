// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations and their slopes: numeric/activation.hpp in lanes.

/// exp(-x) = power - power t for x from -89 to 88: power = 2^n, x = r - n log 2, t = r - r^2 H(r), to 1.1e-7. At the ends
/// power is infinity and 0. n comes out of the lowest bits of a sum that has no room for more.
struct exp_parts {
  lanes power, t;
};
inline exp_parts exp_minus_parts(lanes x) {
  const lanes shifted = fma(x, set(-1.44269504088896f), set(12582912.0f));  // 1.5 2^23
  const lanes n = sub(shifted, set(12582912.0f));
  const lanes r = fma(n, set(-2.12194440e-4f), fma(n, set(0.693359375f), x));
  constexpr float c[] = {-0.0083120493f, 0.0418944992f, -0.1666713357f, 0.499992013f};
  const lanes t = fnma(mul(r, r), horner(r, c), r);
  const lanes power = as_lanes(add_ints(shift_left(as_ints(shifted), 23), set_ints(0x3f800000u)));
  return {power, t};
}
/// power - power t would take infinity from infinity where power is that already and exp(-x) isn't: from 88.38 to 88.72.
inline lanes exp_minus(lanes x) {
  const exp_parts e = exp_minus_parts(x);
  return mul(e.power, sub(set(1.0f), e.t));
}

/// m / (m + 2), where m = exp(-2 x) - 1, which doesn't cancel near 0.
inline lanes tanh_alone(lanes x) {
  const exp_parts e = exp_minus_parts(larger(set(-40.0f), smaller(set(40.0f), add(x, x))));
  const lanes m = fnma(e.power, e.t, sub(e.power, set(1.0f)));
  return copy_sign(div(m, add(m, set(2.0f))), x);
}

/// l and 1 - l of the logistic function's value l at x; the difference would cancel where l is nearly 1.
struct logistic_parts {
  lanes l, rest;
};
inline logistic_parts logistic_both(lanes x) {
  const lanes e = exp_minus(larger(set(-89.0f), smaller(set(88.0f), x)));
  const lanes l = div(set(1.0f), add(set(1.0f), e));
  return {l, smaller(mul(e, l), set(1.0f))};  // of infinity times 0, which is no number, 1
}
inline lanes logistic_alone(lanes x) { return div(set(1.0f), add(set(1.0f), exp_minus(larger(set(-89.0f), smaller(set(88.0f), x))))); }

/// l + f l (1 - l)
inline lanes logistic_times(lanes x, lanes f) {
  const logistic_parts p = logistic_both(x);
  return fma(mul(p.l, f), p.rest, p.l);
}

/// P(x) and p(x) of the normal distribution: P(-|x|) = exp(-x^2 / 2) t Q(t), t = 1 / (1 + 0.3 |x|), Q to 3e-8 for |x| < 9.
/// One exponential serves both, and there is no other branch to compute for nothing, as erf has.
struct normal_parts {
  lanes distribution, exponential;  ///< the density is 0.39894 times the exponential
};
inline normal_parts normal(lanes x) {
  const lanes t = div(set(1.0f), fma(abs(x), set(0.3f), set(1.0f)));
  constexpr float c[] = {0.0380356833f, -0.1672875583f, 0.2242636383f, -0.0707856566f, 0.1380213052f, 0.0968890414f, 0.1212706193f, 0.1195929497f};
  const lanes e = exp_minus(smaller(set(88.0f), mul(mul(x, x), set(0.5f))));
  const lanes tail = mul(mul(t, horner(t, c)), e);
  return {select(less(x, zero()), tail, sub(set(1.0f), tail)), e};
}

/// 2 sqrt(2 / pi) (x + 0.044715 x^3)
inline lanes gelu_inner(lanes x) { return mul(x, fma(mul(x, x), set(0.0713548163f), set(1.5957691216f))); }

template <activation Kind>
lanes activated(lanes x) {
  if constexpr (Kind == activation::relu) return larger(zero(), x);
  if constexpr (Kind == activation::relu_squared) return mul(larger(zero(), x), larger(zero(), x));
  if constexpr (Kind == activation::gelu) return mul(x, normal(x).distribution);
  if constexpr (Kind == activation::gelu_tanh) return mul(x, logistic_alone(gelu_inner(x)));
  if constexpr (Kind == activation::silu) return mul(x, logistic_alone(x));
  if constexpr (Kind == activation::tanh) return tanh_alone(x);
  if constexpr (Kind == activation::logistic) return logistic_alone(x);
  return x;
}

template <activation Kind>
lanes activation_slope(lanes x) {
  if constexpr (Kind == activation::relu) return select(less(zero(), x), set(1.0f), zero());
  if constexpr (Kind == activation::relu_squared) return add(larger(zero(), x), larger(zero(), x));
  if constexpr (Kind == activation::gelu) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));  // beyond it is flat, and the limits are numbers
    const normal_parts n = normal(within);
    return fma(mul(within, set(0.39894228040f)), n.exponential, n.distribution);
  }
  if constexpr (Kind == activation::gelu_tanh) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));
    return logistic_times(gelu_inner(within), mul(within, fma(mul(within, within), set(0.2140644488f), set(1.5957691216f))));
  }
  if constexpr (Kind == activation::silu) return logistic_times(x, larger(set(-128.0f), smaller(set(128.0f), x)));
  if constexpr (Kind == activation::tanh) {
    const logistic_parts p = logistic_both(add(x, x));
    return mul(mul(p.l, p.rest), set(4.0f));
  }
  if constexpr (Kind == activation::logistic) {
    const logistic_parts p = logistic_both(x);
    return mul(p.l, p.rest);
  }
  return set(1.0f);
}

/// An activation and its slope, with what they share computed once.
struct activation_parts {
  lanes value, slope;
};
template <activation Kind>
activation_parts activated_with_slope(lanes x) {
  if constexpr (Kind == activation::gelu) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));
    const normal_parts n = normal(within);
    return {mul(x, n.distribution), fma(mul(within, set(0.39894228040f)), n.exponential, n.distribution)};
  }
  if constexpr (Kind == activation::gelu_tanh) {
    const lanes within = larger(set(-16.0f), smaller(set(16.0f), x));
    const logistic_parts p = logistic_both(gelu_inner(within));
    const lanes f = mul(within, fma(mul(within, within), set(0.2140644488f), set(1.5957691216f)));
    return {mul(x, p.l), fma(mul(p.l, f), p.rest, p.l)};
  }
  if constexpr (Kind == activation::silu) {
    const logistic_parts p = logistic_both(x);
    return {mul(x, p.l), fma(mul(p.l, larger(set(-128.0f), smaller(set(128.0f), x))), p.rest, p.l)};
  }
  return {activated<Kind>(x), activation_slope<Kind>(x)};
}
