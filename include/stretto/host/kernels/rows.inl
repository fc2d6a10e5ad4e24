// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels on rows share: sums, the largest number, and writing a row past the cache or into it. Each takes a function
// of a place in the row and of how to read there: whole lanes, the few that are left, or of bf16 those at even or odd places.
//
//     float squares = sum_row<pairs>(n, [&](lanes s, std::int64_t i, auto get) { const lanes v = get(x + i);  return fma(v, v, s); });
//     write_row<pairs>(y, n, streams, [&](std::int64_t i, auto get) { return mul(get(x + i), set(scale)); });
// pairs: all that is read and written is bf16, two vectors at a time. A sum's order follows from n and pairs alone: four
// sums, added in pairs. Functions capture by reference.

/// Reads as many numbers as there are lanes.
struct whole_lanes {
  template <class T>
  lanes operator()(const T* p) const {
    return load(p);
  }
};
/// Of two vectors of bf16 those at even or at odd places; floats are where `put` left them, one vector behind the other.
struct even_lanes {
  lanes operator()(const bf16* p) const { return load_even(p); }
  lanes operator()(const float* p) const { return load(p); }
};
struct odd_lanes {
  lanes operator()(const bf16* p) const { return load_odd(p); }
  lanes operator()(const float* p) const { return load(p + width); }
};

/// Reads the first n; the lanes beyond are 0.
struct some_lanes {
  std::int64_t n;
  template <class T>
  lanes operator()(const T* p) const {
    return load_some(p, n);
  }
};

/// What is to be fetched into the cache while other work is done, a line at a time: memory is read while it is written, and
/// while sums are made of what is there.
struct lines_ahead {
  const char *at, *end;
  template <class T>
  lines_ahead(const T* row, std::int64_t n) : at(reinterpret_cast<const char*>(row)), end(at + n * static_cast<std::int64_t>(sizeof(T))) {}
  void fetch(std::int64_t) {
    if (at >= end) return;
    __builtin_prefetch(at);
    at += 64;
  }
};
/// Of a row the line at the place that is worked on.
template <class T>
struct line_ahead {
  const T* row;
  void fetch(std::int64_t i) const { __builtin_prefetch(row + i); }
};

/// v where it was read whole; else the first lanes, and 0 beyond.
template <class Get>
lanes only(lanes v, Get) {
  return v;
}
inline lanes only(lanes v, some_lanes get) {
  alignas(64) float t[width];
  store(t, v);
  return load_some(t, get.n);
}

/// Where a second result of what write_row writes goes.
template <class Get>
void put(float* p, lanes v, Get) {
  store(p, v);
}
inline void put(float* p, lanes v, some_lanes get) { store_some(p, v, get.n); }
inline void put(float* p, lanes v, odd_lanes) { store(p + width, v); }

/// exp(x) for x up to a little above 0. For float: x = n log 2 + r, 1 + r + r² P(r), error 1.9e-9 and rounding; three quarters
/// of the work of exp(x). For numbers of type T with fewer digits: of x / log 2 the powers of 2, error 8e-8 and |x| 6e-8; half of it.
template <class T>
lanes exp_below(lanes x) {
  if constexpr (sizeof(T) == 2 && width > 4) {  // where there is an instruction for what is behind the point
    const lanes twos = mul(x, set(1.44269504088896f)), within = width == 16 ? twos : larger(set(-160.0f), twos);
    constexpr float c[] = {0.0018671302f, 0.0090170298f, 0.0557999127f, 0.2401644439f, 0.6931512952f, 1.0f};
    return scale_down(horner(fraction(within), c), within);
  } else {
    const lanes t = larger(set(-104.0f), x), away = set(12582912.0f);  // what is added to that has no fraction
    const lanes n = sub(fma(t, set(1.44269504088896f), away), away);
    const lanes r = width > 4 ? fnma(n, set(0.693147180559945f), t) : fnma(n, set(-2.12194440e-4f), fnma(n, set(0.693359375f), t));  // rounds products
    constexpr float c[] = {0.0013836795f, 0.0083748568f, 0.0416682288f, 0.166664198f, 0.4999999106f, 1.0f, 1.0f};
    return scale(horner(r, c), n);
  }
}

/// Folds f(s, i, get) over a row of n. What f adds in the lanes beyond must be 0. A line of each `ahead` is fetched every four
/// vectors.
template <bool Pairs, class F, class... Ahead>
float sum_row(std::int64_t n, F f, Ahead&&... ahead) {
  lanes a = zero(), b = zero(), c = zero(), d = zero();
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    (ahead.fetch(i), ...);
    if constexpr (Pairs) {
      a = f(a, i, even_lanes{});
      b = f(b, i, odd_lanes{});
      c = f(c, i + 2 * width, even_lanes{});
      d = f(d, i + 2 * width, odd_lanes{});
    } else {
      a = f(a, i, whole_lanes{});
      b = f(b, i + width, whole_lanes{});
      c = f(c, i + 2 * width, whole_lanes{});
      d = f(d, i + 3 * width, whole_lanes{});
    }
  }
  if constexpr (Pairs) {
    if (i + 2 * width <= n) a = f(a, i, even_lanes{}), b = f(b, i, odd_lanes{}), i += 2 * width;
  }
  for (; i + width <= n; i += width) a = f(a, i, whole_lanes{});
  if (i < n) a = f(a, i, some_lanes{n - i});
  return sum(add(add(a, b), add(c, d)));
}

/// Two sums at once: f(s, i, get) adds to s.first and s.second.
struct two_lanes {
  lanes first, second;
};
struct two_sums {
  float first, second;
};
template <bool Pairs, class F>
two_sums sums_of_row(std::int64_t n, F f) {
  two_lanes a{zero(), zero()}, b = a;
  std::int64_t i = 0;
  for (; i + 2 * width <= n; i += 2 * width) {
    if constexpr (Pairs) {
      f(a, i, even_lanes{});
      f(b, i, odd_lanes{});
    } else {
      f(a, i, whole_lanes{});
      f(b, i + width, whole_lanes{});
    }
  }
  if (i + width <= n) f(a, i, whole_lanes{}), i += width;
  if (i < n) f(a, i, some_lanes{n - i});
  return {sum(add(a.first, b.first)), sum(add(a.second, b.second))};
}

/// The largest f(i, get) of a row of n: -infinity where there is none; what is no number is passed over.
template <bool Pairs, class F, class... Ahead>
float largest_of_row(std::int64_t n, F f, Ahead&&... ahead) {
  const float none = -std::numeric_limits<float>::infinity();
  lanes a = set(none), b = a, c = a, d = a;
  std::int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width) {
    (ahead.fetch(i), ...);
    if constexpr (Pairs) {
      a = larger(f(i, even_lanes{}), a);
      b = larger(f(i, odd_lanes{}), b);
      c = larger(f(i + 2 * width, even_lanes{}), c);
      d = larger(f(i + 2 * width, odd_lanes{}), d);
    } else {
      a = larger(f(i, whole_lanes{}), a);
      b = larger(f(i + width, whole_lanes{}), b);
      c = larger(f(i + 2 * width, whole_lanes{}), c);
      d = larger(f(i + 3 * width, whole_lanes{}), d);
    }
  }
  for (; i + width <= n; i += width) a = larger(f(i, whole_lanes{}), a);
  float most = largest(larger(larger(a, b), larger(c, d)));
  if (i < n) {
    alignas(64) float t[width];
    store(t, f(i, some_lanes{n - i}));
    for (int k = 0; k < n - i; ++k) most = t[k] > most ? t[k] : most;
  }
  return most;
}

/// How many of n numbers stand before the first one that begins a line.
template <class T>
std::int64_t before_line(const T* y, std::int64_t n) {
  const auto head = static_cast<std::int64_t>((64 - reinterpret_cast<std::uintptr_t>(y) % 64) % 64 / sizeof(T));
  return head < n ? head : n;
}

/// y[i] = f(i, get) for n numbers. y may be what f reads, element by element. For each line a line of each
/// `ahead` is fetched.
template <bool Pairs, class T, class F, class... Ahead>
void write_row(T* y, std::int64_t n, bool streams, F f, Ahead&&... ahead) {
  constexpr int line = 64 / sizeof(T);
  std::int64_t i = 0;
  if (streams) {
    for (const std::int64_t head = before_line(y, n); i < head;) {
      const std::int64_t some = head - i < width ? head - i : width;
      store_some(y + i, f(i, some_lanes{some}), some);
      i += some;
    }
  }
  for (; i + line <= n; i += line) {
    (ahead.fetch(i), ...);
#pragma GCC unroll 2
    for (int k = 0; k < line; k += Pairs ? 2 * width : width) {
      T* const to = y + i + k;
      if constexpr (Pairs) {
        const lanes even = f(i + k, even_lanes{}), odd = f(i + k, odd_lanes{});
        if (streams) stream_both(to, even, odd);
        else store_both(to, even, odd);
      } else {
        const lanes v = f(i + k, whole_lanes{});
        if (streams) stream(to, v);
        else store(to, v);
      }
    }
  }
  if constexpr (Pairs && line > 2 * width) {
    for (; i + 2 * width <= n; i += 2 * width) store_both(y + i, f(i, even_lanes{}), f(i, odd_lanes{}));
  }
  for (; i + width <= n; i += width) store(y + i, f(i, whole_lanes{}));
  if (i < n) store_some(y + i, f(i, some_lanes{n - i}), n - i);
}

/// Which row to fetch while row t of rows up to `end` is written: 2 KiB ahead, or the next.
template <class T>
std::int64_t row_ahead(std::int64_t t, std::int64_t end, std::int64_t n) {
  const std::int64_t next = t + 1 + 2048 / (n * static_cast<std::int64_t>(sizeof(T)) + 1);
  return next < end ? next : end - 1;
}

/// The weights of n columns as floats, plus `offset`; ones where there are none. In `room`, unless they are there as such.
template <class T>
const float* float_weights(const T* weight, float offset, std::int64_t n, float* room) {
  if constexpr (std::is_same_v<T, float>)
    if (weight != nullptr && offset == 0) return weight;
  write_row<false>(room, n, false, [&](std::int64_t i, auto get) { return weight != nullptr ? add(get(weight + i), set(offset)) : set(1.0f); });
  return room;
}
