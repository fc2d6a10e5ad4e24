// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of rms_norm.hpp. A row is read from memory once and from the cache a second time. Weights are read as they are,
// or are made floats once: W is their type.

template <class T, class W>
void rms_norm_rows(const rms_norm_arguments<T>& a, const W* w, std::int64_t first, std::int64_t end, T* held) {
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
    const float squares = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) {
      const lanes v = get(x + i);
      return fma(v, v, s);
    });
    const float inverse = 1 / std::sqrt((n > 0 ? squares / static_cast<float>(n) : 0) + a.epsilon);
    if (a.inverse != nullptr) a.inverse[t] = inverse;
    const lanes r = set(inverse);
    T* const y = a.y + t * a.y_gap;
    const auto scaled = [&](std::int64_t i, auto get) { return mul(mul(get(x + i), r), get(w + i)); };
    write_row<all_pairs>(y, n, a.streams, scaled, next_x);
    if (a.residual != nullptr) write_row<pairs>(a.s + t * a.s_gap, n, a.s_streams, [&](std::int64_t i, auto get) { return get(x + i); });
  }
  if (a.streams || a.s_streams) end_stream();
}

template <class T>
void rms_norm(const rms_norm_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  auto* const room = reinterpret_cast<float*>(me.scratch);
  auto* const held = reinterpret_cast<T*>(me.scratch + detail::float_bytes(a.columns));
  if constexpr (std::is_same_v<T, bf16>)
    if (a.weight != nullptr && a.offset == 0) return rms_norm_rows<T, T>(a, a.weight, first, end, held);
  rms_norm_rows<T, float>(a, float_weights(a.weight, a.offset, a.columns, room), first, end, held);
}

/// dx = r (dy w - x k), k = r (r sum(dy w x) / n)
template <class T, class W>
void rms_norm_backward_rows(const rms_norm_backward_arguments<T>& a, const W* w, std::int64_t first, std::int64_t end) {
  constexpr bool pairs = std::is_same_v<T, bf16> && std::is_same_v<W, bf16>;
  const std::int64_t n = a.columns;
  for (std::int64_t t = first; t < end; ++t) {
    const T *const x = a.x + t * a.x_gap, *const dy = a.dy + t * a.dy_gap;
    const float dot = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { return fma(mul(get(dy + i), get(w + i)), get(x + i), s); });
    const lanes r = set(a.inverse[t]), k = set(a.inverse[t] * (a.inverse[t] * dot / static_cast<float>(n)));
    const auto gradient = [&](std::int64_t i, auto get) { return mul(r, fnma(get(x + i), k, mul(get(dy + i), get(w + i)))); };
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
void rms_norm_backward_input(const rms_norm_backward_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  if constexpr (std::is_same_v<T, bf16>)
    if (a.weight != nullptr && a.offset == 0) return rms_norm_backward_rows<T, T>(a, a.weight, first, end);
  rms_norm_backward_rows<T, float>(a, float_weights(a.weight, a.offset, a.columns, reinterpret_cast<float*>(me.scratch)), first, end);
}

/// For columns from first to end: dweight += sum over rows of dy x r, rows ascending, four at a time.
template <class T>
void rms_norm_backward_weight(const rms_norm_backward_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  using ahead = line_ahead<T>;
  auto* const sums = reinterpret_cast<float*>(me.scratch);
  for (std::int64_t from = first; from < end; from += detail::row_block) {
    const std::int64_t n = end - from < detail::row_block ? end - from : detail::row_block;
    write_row<false>(sums, n, false, [&](std::int64_t, auto) { return zero(); });
    const T *x = a.x + from, *dy = a.dy + from;
    std::int64_t t = 0;
    for (; t + 4 <= a.rows; t += 4, x += 4 * a.x_gap, dy += 4 * a.dy_gap) {
      const lanes r0 = set(a.inverse[t]), r1 = set(a.inverse[t + 1]), r2 = set(a.inverse[t + 2]), r3 = set(a.inverse[t + 3]);
      write_row<false>(sums, n, false, [&](std::int64_t i, auto get) {
        lanes s = get(sums + i);
        s = fma(get(dy + i), mul(get(x + i), r0), s);
        s = fma(get(dy + a.dy_gap + i), mul(get(x + a.x_gap + i), r1), s);
        s = fma(get(dy + 2 * a.dy_gap + i), mul(get(x + 2 * a.x_gap + i), r2), s);
        return fma(get(dy + 3 * a.dy_gap + i), mul(get(x + 3 * a.x_gap + i), r3), s);
      }, ahead{x + 4 * a.x_gap}, ahead{x + 5 * a.x_gap}, ahead{x + 6 * a.x_gap}, ahead{x + 7 * a.x_gap},
         ahead{dy + 4 * a.dy_gap}, ahead{dy + 5 * a.dy_gap}, ahead{dy + 6 * a.dy_gap}, ahead{dy + 7 * a.dy_gap});
    }
    for (; t < a.rows; ++t, x += a.x_gap, dy += a.dy_gap) {
      const lanes r = set(a.inverse[t]);
      write_row<false>(sums, n, false, [&](std::int64_t i, auto get) { return fma(get(dy + i), mul(get(x + i), r), get(sums + i)); });
    }
    float* const dweight = a.dweight + from;
    write_row<false>(dweight, n, false, [&](std::int64_t i, auto get) { return add(get(dweight + i), get(sums + i)); });
  }
}
