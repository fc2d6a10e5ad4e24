// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of cross_entropy.hpp. Forward: a row in blocks that stay in the nearest cache, each searched for its largest number
// and then summed; the sum so far is scaled down where a block has a larger one. Backward: one pass.

/// Logits within the cap: c = cap s, s = tanh(x / cap).
struct soft_cap {
  lanes cap, inverse;
  lanes operator()(lanes x) const { return mul(cap, tanh(mul(x, inverse))); }
  /// What a gradient of c is multiplied with to be one of x: 1 - s².
  lanes slope(lanes c) const {
    const lanes s = mul(c, inverse);
    return fnma(s, s, set(1.0f));
  }
};
struct no_cap {
  lanes operator()(lanes x) const { return x; }
  lanes slope(lanes) const { return set(1.0f); }
};

inline float first_lane(lanes v) {
  alignas(64) float t[width];
  store(t, v);
  return t[0];
}

/// What a row comes to.
struct logit_row {
  float lse, sum;     ///< sum: of c, where it is asked for
  std::int64_t best;  ///< where the largest logit is, the first of equals, or -1; where it is asked for
};

template <class T, class C>
logit_row read_logits(const T* x, std::int64_t n, const C& c, bool wants_sum, bool wants_best) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  constexpr std::int64_t block = 1024;
  constexpr float none = -std::numeric_limits<float>::infinity();
  float found = none, most = none;  // the largest x, and its c
  double exponentials = 0, sum = 0;
  std::int64_t where = 0;
  for (std::int64_t from = 0; from < n; from += block) {
    const std::int64_t count = n - from < block ? n - from : block;
    const T* const part = x + from;
    lines_ahead next(part + block, block), more(part + block + block / 2, sizeof(T) == 4 ? block / 2 : 0);  // of float, two lines at a time
    if (sizeof(T) == 4) next.end = more.at;
    const float here = largest_of_row<pairs>(count, [&](std::int64_t i, auto get) { return get(part + i); }, next, more);
    if (here > found) {
      found = here, where = from;
      const float now = first_lane(c(set(found)));
      exponentials *= std::exp(static_cast<double>(most) - static_cast<double>(now));
      most = now;
    }
    const lanes off = set(most == none ? 0 : most);
    exponentials += static_cast<double>(
        sum_row<pairs>(count, [&](lanes s, std::int64_t i, auto get) { return add(only(exp_below<T>(sub(c(get(part + i)), off)), get), s); }, next, more));
    if (wants_sum) sum += static_cast<double>(sum_row<pairs>(count, [&](lanes s, std::int64_t i, auto get) { return add(c(get(part + i)), s); }));
  }
  if (wants_best) {
    while (where < n && !(static_cast<float>(x[where]) == found)) ++where;
    if (where == n) where = -1;
  }
  return {static_cast<float>(static_cast<double>(most == none ? 0 : most) + std::log(exponentials)), static_cast<float>(sum), where};
}

template <class T, class C>
void cross_entropy_rows(const cross_entropy_arguments<T>& a, const C& c, std::int64_t first, std::int64_t end) {
  std::int64_t right = 0;
  for (std::int64_t t = first; t < end; ++t) {
    const std::int64_t at = a.labels[t] - a.first;
    const bool counts = a.labels[t] != a.ignore;
    const T* const x = stretto::detail::row_at(a.x, t, a.x_gap);
    logit_row row{0, 0, -1};
    float target = 0;
    if (counts) row = read_logits(x, a.valid, c, a.smoothing != 0 || a.sum != nullptr, a.right != nullptr);
    if (counts && at >= 0 && at < a.valid) target = first_lane(c(set(static_cast<float>(x[at]))));
    a.lse[t] = row.lse;
    if (a.sum != nullptr) a.sum[t] = row.sum;
    if (a.target != nullptr) a.target[t] = target;
    if (a.loss != nullptr)
      a.loss[t] = counts ? stretto::detail::row_loss(row.lse, target, row.sum / a.vocabulary, a.weights != nullptr ? a.weights[t] : 1, a.smoothing, a.z) : 0;
    right += counts && row.best == at ? 1 : 0;
  }
  if (a.right != nullptr) __atomic_fetch_add(a.right, right, __ATOMIC_RELAXED);
}

template <class T>
void cross_entropy(const cross_entropy_arguments<T>& a, std::int64_t first, std::int64_t end, const worker&) {
  if (a.cap > 0) cross_entropy_rows(a, soft_cap{set(a.cap), set(1 / a.cap)}, first, end);
  else cross_entropy_rows(a, no_cap{}, first, end);
}

/// dx = (f (1 + 2 z l) exp(c - l) - f e / vocabulary - f (1 - e) [label]) slope(c), f = factor weight
template <class T, class C>
void cross_entropy_backward_rows(const cross_entropy_arguments<T>& a, const C& c, std::int64_t first, std::int64_t end) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  for (std::int64_t t = first; t < end; ++t) {
    const T* const x = stretto::detail::row_at(a.x, t, a.x_gap);
    T* const dx = a.dx + t * a.dx_gap;
    const bool counts = a.labels[t] != a.ignore;
    const std::int64_t at = a.labels[t] - a.first, n = counts ? a.valid : 0;
    const float l = a.lse[t], f = a.factor * (a.weights != nullptr ? a.weights[t] : 1);
    const lanes lse = set(l), times = set(f * (1 + 2 * a.z * l));
    const auto gradient = [&](std::int64_t i, auto get, lanes wanted) {
      const lanes v = c(get(x + i));
      return mul(fma(exp_below<T>(sub(v, lse)), times, wanted), c.slope(v));
    };
    const float even = -f * (a.smoothing / a.vocabulary);
    const lanes others = set(even), label = set(even - f * (1 - a.smoothing));
    const auto write = [&](std::int64_t from, std::int64_t to) {
      write_row<pairs>(
          dx + from, to - from, a.streams, [&](std::int64_t i, auto get) { return gradient(from + i, get, others); }, line_ahead<T>{x + from + 2048 / sizeof(T)});
    };
    if (at >= 0 && at < n) {
      write(0, at);
      write_row<false>(dx + at, 1, false, [&](std::int64_t, auto get) { return gradient(at, get, label); });
      write(at + 1, n);
    } else {
      write(0, n);
    }
    write_row<false>(dx + n, a.columns - n, a.streams, [&](std::int64_t, auto) { return zero(); });
  }
  if (a.streams) end_stream();
}

template <class T>
void cross_entropy_backward(const cross_entropy_arguments<T>& a, std::int64_t first, std::int64_t end, const worker&) {
  if (a.cap > 0) cross_entropy_backward_rows(a, soft_cap{set(a.cap), set(1 / a.cap)}, first, end);
  else cross_entropy_backward_rows(a, no_cap{}, first, end);
}
