// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions of lanes that no instruction does: exp, tanh, erf, the logistic function. Each within 2.5 units in the last
// place, infinities and what is no number treated as by <cmath>. Polynomials are Chebyshev fits in the ranges that stand
// beside them; what is added to their errors is rounding.

/// Polynomial in x with coefficients from the highest power down.
template <int N>
lanes horner(lanes x, const float (&c)[N]) {
  lanes p = set(c[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; ++i) p = fma(p, x, set(c[i]));
  return p;
}

/// x = n log 2 + r; exp(r) = 1 + r + r^2 / 2 + r^3 P(r), |r| <= log(2) / 2, error 1.6e-8. 0 where that is less than the
/// smallest normal number: CPUs take a hundred times as long to make one below it, and masked scores are full of them.
inline lanes exp(lanes x) {
  const lanes lowest = set(-87.3365447506f), within = larger(lowest, smaller(set(89.0f), x));
  const lanes n = round(mul(within, set(1.44269504088896f)));
  const lanes r = fnma(n, set(-2.12194440e-4f), fnma(n, set(0.693359375f), within));
  constexpr float c[] = {0.0013919314f, 0.0083576804f, 0.0416666195f, 0.1666662991f, 0.5f};
  const lanes p = fma(mul(r, r), horner(r, c), r);
  return select(less(x, lowest), zero(), scale(add(set(1.0f), p), n));
}

/// 1 / (1 + exp(-x))
inline lanes logistic(lanes x) { return div(set(1.0f), add(set(1.0f), exp(negate(x)))); }

/// x + x^3 P(x^2) for |x| < 0.67, error 3.5e-9; else 1 - 2 / (exp(2 |x|) + 1).
inline lanes tanh(lanes x) {
  const lanes u = mul(x, x), size = abs(x);
  constexpr float c[] = {0.0021503704f, -0.0082088402f, 0.0217244755f, -0.0539533645f, 0.1333327591f, -0.3333333433f};
  const lanes inner = fma(mul(x, u), horner(u, c), x);
  const lanes outer = copy_sign(sub(set(1.0f), div(set(2.0f), add(exp(add(size, size)), set(1.0f)))), x);
  return select(less(size, set(0.67f)), inner, outer);
}

/// x + x P(x^2) for |x| < 1, error 1.3e-9; else 1 - exp(-x^2) Q(1 / (1 + |x| / 2)), to |x| = 4, error 1.3e-10; 1 beyond.
inline lanes erf(lanes x) {
  const lanes u = mul(x, x), size = abs(x);
  constexpr float c[] = {7.8758749e-5f, -0.00080168643f, 0.0051890872f, -0.0268542115f, 0.1128359437f, -0.3761262596f, 0.1283791671f};
  const lanes inner = fma(x, horner(u, c), x);
  const lanes t = div(set(1.0f), fma(size, set(0.5f), set(1.0f)));
  constexpr float q[] = {0.1208524331f, -0.4765252769f, 0.571265161f, -0.1102082953f, 0.3510303199f, 0.2587513626f, 0.2850616276f, -0.0001642364f};
  const lanes outer = copy_sign(fnma(exp(negate(u)), horner(t, q), set(1.0f)), x);
  return select(less(size, set(1.0f)), inner, outer);
}
