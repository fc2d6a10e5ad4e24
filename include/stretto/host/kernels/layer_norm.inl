// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of layer_norm.hpp. A row is read from memory once, and from the cache for each of its passes. Weights are read as
// they are, or are made floats once: W is their type.

template <class T, class W>
void layer_norm_rows(const layer_norm_arguments<T>& a, const W* w, const W* b, std::int64_t first, std::int64_t end, T* held) {
  constexpr bool pairs = std::is_same_v<T, bf16>, all_pairs = pairs && std::is_same_v<W, bf16>;
  const std::int64_t n = a.columns;
  for (std::int64_t t = first; t < end; ++t) {
    const T* x = stretto::detail::row_at(a.x, t, a.x_gap);
    const std::int64_t next = row_ahead<T>(t, end, n);
    const line_ahead<T> next_x{stretto::detail::row_at(a.x, next, a.x_gap)};
    if (a.residual != nullptr) {
      const T *const from = x, *const residual = a.residual + t * a.residual_gap;
      write_row<pairs>(held, n, false, [&](std::int64_t i, auto get) { return add(get(from + i), get(residual + i)); }, line_ahead<T>{a.residual + next * a.residual_gap});
      x = held;
    }
    const float all = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { return add(get(x + i), s); });
    const float mean = n > 0 ? all / static_cast<float>(n) : 0;
    const lanes m = set(mean);
    const float squares = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) {
      const lanes d = only(sub(get(x + i), m), get);
      return fma(d, d, s);
    });
    const float inverse = 1 / std::sqrt((n > 0 ? squares / static_cast<float>(n) : 0) + a.epsilon);
    if (a.mean != nullptr) a.mean[t] = mean;
    if (a.inverse != nullptr) a.inverse[t] = inverse;
    const lanes r = set(inverse);
    T* const y = a.y + t * a.y_gap;
    if (b != nullptr) {
      write_row<all_pairs>(
          y, n, a.streams, [&](std::int64_t i, auto get) { return fma(mul(sub(get(x + i), m), r), get(w + i), get(b + i)); }, next_x);
    } else {
      write_row<all_pairs>(y, n, a.streams, [&](std::int64_t i, auto get) { return mul(mul(sub(get(x + i), m), r), get(w + i)); }, next_x);
    }
    if (a.residual != nullptr) write_row<pairs>(a.s + t * a.s_gap, n, a.s_streams, [&](std::int64_t i, auto get) { return get(x + i); });
  }
  if (a.streams || a.s_streams) end_stream();
}

template <class T>
void layer_norm(const layer_norm_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  const std::int64_t n = a.columns, room = detail::float_bytes(n);
  auto* const held = reinterpret_cast<T*>(me.scratch + 2 * room);
  if constexpr (std::is_same_v<T, bf16>)
    if (a.weight != nullptr) return layer_norm_rows<T, T>(a, a.weight, a.bias, first, end, held);
  const float* const w = float_weights(a.weight, 0, n, reinterpret_cast<float*>(me.scratch));
  const float* const b = a.bias != nullptr ? float_weights(a.bias, 0, n, reinterpret_cast<float*>(me.scratch + room)) : nullptr;
  layer_norm_rows<T, float>(a, w, b, first, end, held);
}

/// dx = r (dy w - mean(dy w) - (x - m) k), k = r (r sum(dy w (x - m)) / n)
template <class T, class W>
void layer_norm_backward_rows(const layer_norm_backward_arguments<T>& a, const W* w, std::int64_t first, std::int64_t end) {
  constexpr bool pairs = std::is_same_v<T, bf16> && std::is_same_v<W, bf16>;
  const std::int64_t n = a.columns;
  for (std::int64_t t = first; t < end; ++t) {
    const T *const x = a.x + t * a.x_gap, *const dy = a.dy + t * a.dy_gap;
    const lanes m = set(a.mean[t]), r = set(a.inverse[t]);
    const two_sums sums = sums_of_row<pairs>(n, [&](two_lanes& s, std::int64_t i, auto get) {
      const lanes g = mul(get(dy + i), get(w + i));
      s.first = add(g, s.first);
      s.second = fma(g, sub(get(x + i), m), s.second);
    });
    const lanes even = set(sums.first / static_cast<float>(n)), k = set(a.inverse[t] * (a.inverse[t] * sums.second / static_cast<float>(n)));
    const auto gradient = [&](std::int64_t i, auto get) {
      const lanes g = in_register(mul(get(dy + i), get(w + i)));  // rounded as in the sum, or else one column has a gradient
      return mul(r, fnma(sub(get(x + i), m), k, sub(g, even)));
    };
    T* const dx = a.dx + t * a.dx_gap;
    const std::int64_t next = row_ahead<T>(t, end, n);
    const line_ahead<T> next_x{stretto::detail::row_at(a.x, next, a.x_gap)}, next_dy{a.dy + next * a.dy_gap};
    if (a.residual != nullptr) {
      const T* const residual = a.residual + t * a.residual_gap;
      write_row<pairs>(
          dx, n, a.streams, [&](std::int64_t i, auto get) { return add(gradient(i, get), get(residual + i)); }, next_x, next_dy, line_ahead<T>{a.residual + next * a.residual_gap});
    } else {
      write_row<pairs>(dx, n, a.streams, gradient, next_x, next_dy);
    }
  }
  if (a.streams) end_stream();
}

template <class T>
void layer_norm_backward_input(const layer_norm_backward_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  if constexpr (std::is_same_v<T, bf16>)
    if (a.weight != nullptr) return layer_norm_backward_rows<T, T>(a, a.weight, first, end);
  layer_norm_backward_rows<T, float>(a, float_weights(a.weight, 0, a.columns, reinterpret_cast<float*>(me.scratch)), first, end);
}

/// For columns from first to end: the sums over rows of dy (x - m) r and of dy, rows ascending, four at a time.
template <class T>
void layer_norm_backward_weight(const layer_norm_backward_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  using ahead = line_ahead<T>;
  auto* const weights = reinterpret_cast<float*>(me.scratch);
  float* const biases = weights + detail::row_block;
  for (std::int64_t from = first; from < end; from += detail::row_block) {
    const std::int64_t n = end - from < detail::row_block ? end - from : detail::row_block;
    for (float* sums : {weights, biases}) write_row<false>(sums, n, false, [&](std::int64_t, auto) { return zero(); });
    const T *x = a.x + from, *dy = a.dy + from;
    std::int64_t t = 0;
    for (; t + 4 <= a.rows; t += 4, x += 4 * a.x_gap, dy += 4 * a.dy_gap) {
      const T *const x1 = x + a.x_gap, *const x2 = x1 + a.x_gap, *const x3 = x2 + a.x_gap, *const d1 = dy + a.dy_gap, *const d2 = d1 + a.dy_gap, *const d3 = d2 + a.dy_gap;
      const lanes r0 = set(a.inverse[t]), r1 = set(a.inverse[t + 1]), r2 = set(a.inverse[t + 2]), r3 = set(a.inverse[t + 3]);
      const lanes m0 = set(a.mean[t]), m1 = set(a.mean[t + 1]), m2 = set(a.mean[t + 2]), m3 = set(a.mean[t + 3]);
      write_row<false>(weights, n, false, [&](std::int64_t i, auto get) {
        const lanes g0 = get(dy + i), g1 = get(d1 + i), g2 = get(d2 + i), g3 = get(d3 + i);
        put(biases + i, add(g3, add(g2, add(g1, add(g0, get(biases + i))))), get);
        lanes s = fma(g0, mul(sub(get(x + i), m0), r0), get(weights + i));
        s = fma(g1, mul(sub(get(x1 + i), m1), r1), s);
        s = fma(g2, mul(sub(get(x2 + i), m2), r2), s);
        return fma(g3, mul(sub(get(x3 + i), m3), r3), s);
      }, ahead{x + 4 * a.x_gap}, ahead{x + 5 * a.x_gap}, ahead{x + 6 * a.x_gap}, ahead{x + 7 * a.x_gap},
         ahead{dy + 4 * a.dy_gap}, ahead{dy + 5 * a.dy_gap}, ahead{dy + 6 * a.dy_gap}, ahead{dy + 7 * a.dy_gap});
    }
    for (; t < a.rows; ++t, x += a.x_gap, dy += a.dy_gap) {
      const lanes r = set(a.inverse[t]), m = set(a.mean[t]);
      write_row<false>(weights, n, false, [&](std::int64_t i, auto get) {
        const lanes g = get(dy + i);
        put(biases + i, add(g, get(biases + i)), get);
        return fma(g, mul(sub(get(x + i), m), r), get(weights + i));
      });
    }
    float *const dweight = a.dweight + from, *const dbias = a.dbias + from;
    write_row<false>(dweight, n, false, [&](std::int64_t i, auto get) { return add(get(dweight + i), get(weights + i)); });
    if (a.dbias != nullptr) write_row<false>(dbias, n, false, [&](std::int64_t i, auto get) { return add(get(dbias + i), get(biases + i)); });
  }
}
