// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding: numeric/rotary.hpp in lanes.

/// (a, b) turned by the angle of cosine c and sine s, or back.
template <bool Back>
void turn_lanes(lanes& a, lanes& b, lanes c, lanes s) {
  const lanes p = Back ? fma(b, s, mul(a, c)) : fnma(b, s, mul(a, c));
  const lanes q = Back ? fnma(a, s, mul(b, c)) : fma(a, s, mul(b, c));
  a = p, b = q;
}

/// 2 width pairs of bf16, as they are quickest read and written: those at even places, then those at odd places.
template <bool Back, bool Streams>
void turn_both(const bf16* x, bf16* y, const float* cosines, const float* sines, std::int64_t half) {
  lanes c = load(cosines), d = load(cosines + width), s = load(sines), t = load(sines + width);
  split_pairs(c, d);
  split_pairs(s, t);
  lanes a = load_even(x), b = load_even(x + half), e = load_odd(x), f = load_odd(x + half);
  turn_lanes<Back>(a, b, c, s);
  turn_lanes<Back>(e, f, d, t);
  Streams ? stream_both(y, a, e) : store_both(y, a, e);
  Streams ? stream_both(y + half, b, f) : store_both(y + half, b, f);
}

template <bool Back, bool Streams, class T>
void turn_halves(const T* x, T* y, const float* cosines, std::int64_t half) {
  constexpr int line = 64 / sizeof(T);
  const float* const sines = cosines + half;
  std::int64_t i = 0;
  for (; i + line <= half; i += line) {
    if constexpr (std::is_same_v<T, bf16>) {
#pragma GCC unroll 4
      for (int k = 0; k < line; k += 2 * width) turn_both<Back, Streams>(x + i + k, y + i + k, cosines + i + k, sines + i + k, half);
    } else {
#pragma GCC unroll 4
      for (int k = 0; k < line; k += width) {
        const std::int64_t at = i + k;
        lanes a = load(x + at), b = load(x + half + at);
        turn_lanes<Back>(a, b, load(cosines + at), load(sines + at));
        Streams ? stream(y + at, a) : store(y + at, a);
        Streams ? stream(y + half + at, b) : store(y + half + at, b);
      }
    }
  }
  while (i < half) {
    const std::int64_t few = half - i < width ? half - i : width;
    lanes a = load_some(x + i, few), b = load_some(x + half + i, few);
    turn_lanes<Back>(a, b, load_some(cosines + i, few), load_some(sines + i, few));
    store_some(y + i, a, few);
    store_some(y + half + i, b, few);
    i += few;
  }
}

template <bool Back, bool Streams, class T>
void turn_neighbours(const T* x, T* y, const float* cosines, std::int64_t half) {
  const float* const sines = cosines + half;
  std::int64_t i = 0;
  for (; i + width <= half; i += width) {
    const T* const from = x + 2 * i;
    T* const to = y + 2 * i;
    if constexpr (std::is_same_v<T, bf16>) {
      lanes a = load_even(from), b = load_odd(from);
      turn_lanes<Back>(a, b, load(cosines + i), load(sines + i));
      Streams ? stream_both(to, a, b) : store_both(to, a, b);
    } else {
      lanes a = load(from), b = load(from + width);
      split_pairs(a, b);
      turn_lanes<Back>(a, b, load(cosines + i), load(sines + i));
      join_pairs(a, b);
      Streams ? stream(to, a) : store(to, a);
      Streams ? stream(to + width, b) : store(to + width, b);
    }
  }
  if (i < half) {
    const std::int64_t few = 2 * (half - i), first = few < width ? few : width, second = few - first;
    lanes a = load_some(x + 2 * i, first), b = load_some(x + 2 * i + first, second);
    split_pairs(a, b);
    turn_lanes<Back>(a, b, load_some(cosines + i, half - i), load_some(sines + i, half - i));
    join_pairs(a, b);
    store_some(y + 2 * i, a, first);
    store_some(y + 2 * i + first, b, second);
  }
}

template <bool Neighbours, bool Back, bool Streams, class T>
void turn_heads(const rotary_arguments<T>& a, std::int64_t first, std::int64_t last) {
  for (std::int64_t t = first; t < last; ++t) {
    const float* const cosines = a.table + a.positions[t] * 2 * a.half;
    const T* x = a.x + t * a.x_token;
    T* y = a.y + t * a.y_token;
    for (std::int64_t h = 0; h < a.heads; ++h, x += a.x_head, y += a.y_head) {
      if constexpr (Neighbours) turn_neighbours<Back, Streams>(x, y, cosines, a.half);
      else turn_halves<Back, Streams>(x, y, cosines, a.half);
      if (x == y) continue;
      const T* const rest = x + 2 * a.half;
      write_row<std::is_same_v<T, bf16>>(y + 2 * a.half, a.size - 2 * a.half, Streams, [&](std::int64_t i, auto get) { return get(rest + i); });
    }
  }
  if constexpr (Streams) end_stream();
}

template <class T>
void turn_tokens(const rotary_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  const auto pairs = [&](auto neighbours, auto back) {
    if (a.streams) turn_heads<decltype(neighbours)::value, decltype(back)::value, true>(a, first, last);
    else turn_heads<decltype(neighbours)::value, decltype(back)::value, false>(a, first, last);
  };
  if (a.neighbours && a.back) pairs(std::true_type{}, std::true_type{});
  else if (a.neighbours) pairs(std::true_type{}, std::false_type{});
  else if (a.back) pairs(std::false_type{}, std::true_type{});
  else pairs(std::false_type{}, std::false_type{});
}
