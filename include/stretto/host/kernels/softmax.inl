// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of softmax.hpp. A row is read from memory once; its exponentials are held in scratch memory until their sum is
// known.
template <class T>
void softmax(const softmax_arguments<T>& a, std::int64_t first, std::int64_t end, const worker& me) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  const std::int64_t n = a.columns;
  auto* const held = reinterpret_cast<float*>(me.scratch);
  const lanes scale = set(a.scale);
  for (std::int64_t t = first; t < end; ++t) {
    const T *const x = a.x + t * a.x_gap, *const ahead = a.x + row_ahead<T>(t, end, n) * a.x_gap;
    lines_ahead next(ahead, n);
    const float found = a.scale > 0 ? a.scale * largest_of_row<pairs>(n, [&](std::int64_t i, auto get) { return get(x + i); }, next)
                                    : largest_of_row<pairs>(n, [&](std::int64_t i, auto get) { return mul(get(x + i), scale); }, next);
    const float most = found == -std::numeric_limits<float>::infinity() ? 0 : found;
    const lanes m = set(-most);
    float all = 0;
    T* const y = a.y + t * a.y_gap;
    if (a.log) {
      all = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { return add(only(exp_below<T>(fma(get(x + i), scale, m)), get), s); }, next);
      const lanes off = set(std::log(all));
      write_row<pairs>(y, n, a.streams, [&](std::int64_t i, auto get) { return smaller(zero(), sub(fma(get(x + i), scale, m), off)); }, next);
    } else {
      all = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) {
        const lanes e = only(exp_below<T>(fma(get(x + i), scale, m)), get);
        put(held + i, e, get);
        return add(e, s);
      }, next);
      const lanes share = set(1 / all);
      const bool begins_line = reinterpret_cast<std::uintptr_t>(y) % 64 == 0;  // else pairs in `held` and in y would differ
      write_row<pairs>(y, n, a.streams && (begins_line || !pairs), [&](std::int64_t i, auto get) { return mul(get(held + i), share); }, next);
    }
    if (a.lse != nullptr) a.lse[t] = most + std::log(all);
  }
  if (a.streams) end_stream();
}

template <class T>
void softmax_backward(const softmax_arguments<T>& a, std::int64_t first, std::int64_t end, const worker&) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  const std::int64_t n = a.columns;
  const lanes scale = set(a.scale);
  for (std::int64_t t = first; t < end; ++t) {
    const T *const x = a.x + t * a.x_gap, *const dy = a.dy + t * a.dy_gap;  // x: what the softmax gave
    T* const dx = a.y + t * a.y_gap;
    const std::int64_t next = row_ahead<T>(t, end, n);
    lines_ahead next_x(a.x + next * a.x_gap, n), next_dy(a.dy + next * a.dy_gap, n);
    if (a.log) {
      const lanes all = set(sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { return add(get(dy + i), s); }, next_dy, next_x));
      write_row<pairs>(dx, n, a.streams, [&](std::int64_t i, auto get) { return mul(scale, fnma(exp_below<T>(get(x + i)), all, get(dy + i))); }, next_x, next_dy);
    } else {
      const lanes all = set(sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { return fma(get(dy + i), get(x + i), s); }, next_dy, next_x));
      write_row<pairs>(dx, n, a.streams, [&](std::int64_t i, auto get) { return mul(mul(scale, get(x + i)), sub(get(dy + i), all)); }, next_x, next_dy);
    }
  }
  if (a.streams) end_stream();
}
