// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel of rotary embedding: numeric/rotary.hpp. A thread turns the same pairs of up to four heads of a token, so that
// their cosines and sines are read once.
//
//     halves       a unit: N numbers from p on, and N from p + half on          (a, b) -> (a cos - b sin, b cos + a sin)
//     neighbours   a unit: N neighbours, which are N / 2 pairs
//     the rest     a unit: N numbers beyond those that are turned, copied where the result stands elsewhere
//     parts        queries, keys and values of one matrix, of which values are copied; or one part
// A token at a position that the table lacks becomes no number: on the device nobody can object.
// Cost: one read and one write of each number, and of 2 dims bytes of the table a token and four heads, which the cache has.
#pragma once

#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

/// Heads side by side, and where their results go.
template <class T>
struct rotary_part {
  std::int64_t heads, groups;  ///< of heads that a thread does at once
  const T* x;
  std::int64_t x_token, x_head;  ///< from token to token, from head to head
  T* y;
  std::int64_t y_token, y_head;
  bool turns;  ///< or is copied
};

template <class T>
struct rotary_arguments {
  rotary_part<T> part[3];
  std::int64_t tokens, groups;  ///< of all parts
  std::int64_t half;            ///< of what is turned
  const std::int32_t* positions;
  const float* table;          ///< a row a position: cosines, then sines
  std::int64_t in_table;       ///< positions
  std::int64_t turned, units;  ///< units of a head that are turned; of all
  bool neighbours, back;
};

inline constexpr int heads_at_once = 4;

/// (a, b) by the angle of cosine c and sine s, as the CPU's lanes do it.
__device__ inline void turn_pair(float& a, float& b, float c, float s) {
  const float p = fmaf(-b, s, __fmul_rn(a, c)), q = fmaf(a, s, __fmul_rn(b, c));
  a = p, b = q;
}

/// N: numbers of a line; 1 where numbers go one by one.
template <int N, class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void turn_heads(rotary_arguments<T> a) {
  constexpr int wide = N > 1 ? N : 2;  // of neighbours: a pair at least
  const std::int64_t all = a.tokens * a.groups * a.units;
  const float sign = a.back ? -1.0f : 1.0f;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const std::int64_t token_group = row_of_unit(i, a.units), unit = i - token_group * a.units, token = row_of_unit(token_group, a.groups);
    std::int64_t group = token_group - token * a.groups;
    int which = 0;
    for (; which < 2 && group >= a.part[which].groups; ++which) group -= a.part[which].groups;
    const rotary_part<T>& part = a.part[which];
    const std::int64_t head = group * heads_at_once, x_head = part.x_head, y_head = part.y_head;
    const int heads = static_cast<int>(part.heads - head < heads_at_once ? part.heads - head : heads_at_once);
    const T* const x = part.x + token * part.x_token + head * x_head;
    T* const y = part.y + token * part.y_token + head * y_head;
    if (unit >= a.turned) {
      const std::int64_t at = 2 * a.half + (unit - a.turned) * N;
      line<N, T> rest[heads_at_once];
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h)
        if (h < heads) load_line(rest[h], x + h * x_head + at);
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h)
        if (h < heads) store(y + h * y_head + at, widen(rest[h]));
      continue;
    }
    const std::int32_t position = part.turns ? a.positions[token] : 0;
    const bool there = position >= 0 && position < a.in_table;
    const float* const cosines = a.table + (there ? position : 0) * 2 * a.half;
    const float lost = there ? 0.0f : __uint_as_float(0x7fc00000u);
    if (a.neighbours) {
      const std::int64_t at = unit * wide;
      floats<wide / 2> c = load<wide / 2>(cosines + at / 2), s = load<wide / 2>(cosines + a.half + at / 2);
      line<wide, T> given[heads_at_once];
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h)
        if (h < heads) load_line(given[h], x + h * x_head + at);
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h) {
        if (h >= heads) continue;
        floats<wide> v = widen(given[h]);
#pragma unroll
        for (int k = 0; k < wide && part.turns; k += 2) turn_pair(v.of[k], v.of[k + 1], c.of[k / 2] + lost, sign * s.of[k / 2]);
        store(y + h * y_head + at, v);
      }
    } else {
      const std::int64_t at = unit * N;
      floats<N> c = load<N>(cosines + at), s = load<N>(cosines + a.half + at);
      line<N, T> first[heads_at_once], second[heads_at_once];
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h)
        if (h < heads) load_line(first[h], x + h * x_head + at), load_line(second[h], x + h * x_head + a.half + at);
#pragma unroll
      for (int h = 0; h < heads_at_once; ++h) {
        if (h >= heads) continue;
        floats<N> v = widen(first[h]), w = widen(second[h]);
#pragma unroll
        for (int k = 0; k < N && part.turns; ++k) turn_pair(v.of[k], w.of[k], c.of[k] + lost, sign * s.of[k]);
        store(y + h * y_head + at, v);
        store(y + h * y_head + a.half + at, w);
      }
    }
  }
}

}  // namespace stretto::inline v0::cuda
