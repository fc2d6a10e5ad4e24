// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels of softmax.cuh.
//
//     m = max(scale x)     e = exp(scale x - m)     y = e / sum(e)     or, log: scale x - m - log(sum(e))     l = m + log(sum(e))
// Exponentials stay in registers until their sum is known; of rows that don't fit there they are made again. Cost: a row read
// and written once, two sums.
#pragma once

#include <stretto/cuda/kernels/exponentials.cuh>
#include <stretto/cuda/kernels/rows.cuh>

namespace stretto::inline v0::cuda {

/// Backward, x is what softmax gave, and y is dx.
template <class T>
struct softmax_arguments {
  std::int64_t rows, columns;
  int threads;  ///< a row
  const T *x, *dy;
  T* y;
  float* lse;
  std::int64_t x_gap, dy_gap, y_gap;  ///< from row to row
  float scale;
  bool log;
};

template <class T, row_hold Hold, bool Lined>
STRETTO_KERNEL void __launch_bounds__(most_row_threads) softmax_rows(softmax_arguments<T> a) {
  constexpr int numbers = in_line<T>;
  constexpr bool keeps = Hold == row_hold::registers;
  __shared__ float room[row_team::room];
  row_team team(a.threads, room);
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at(), n = row.columns(a.columns);
    const held_row<T, Hold, Lined> x(a.x + t * a.x_gap, n, team, shared_lines<T>(0, a.columns));
    float most = minus_infinity();
    x.each(team, [&](int k, std::int64_t i) {
      const floats<numbers> v = x.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j)
        if (x.has(i, j)) most = fmaxf(most, __fmul_rn(a.scale, v.of[j]));
    });
    most = team.template all<takes_larger>(most);
    if (most == minus_infinity()) most = 0;
    float sum = 0;
    floats<numbers> e[keeps ? row_lines : 1];
    x.each(team, [&](int k, std::int64_t i) {
      const floats<numbers> v = x.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) {
        const float one = exp_of<T>(__fmul_rn(a.scale, v.of[j]) - most);
        if (x.has(i, j)) sum += one;
        if constexpr (keeps) e[k].of[j] = one;
      }
    });
    sum = team.template all<adds>(sum);
    if (a.lse != nullptr && team.me == 0 && row.there()) a.lse[t] = most + logf(sum);
    T* const y = a.y + t * a.y_gap;
    if (a.log) {
      const float off = logf(sum);
      x.each(team, [&](int k, std::int64_t i) {
        floats<numbers> v = x.at(k, i);
#pragma unroll
        for (int j = 0; j < numbers; ++j) v.of[j] = (__fmul_rn(a.scale, v.of[j]) - most) - off;
        write_line<Lined>(y, i, n, v);
      });
    } else {
      const float share = 1.0f / sum;
      x.each(team, [&](int k, std::int64_t i) {
        floats<numbers> v;
        if constexpr (keeps) v = e[k];
        else v = x.at(k, i);
#pragma unroll
        for (int j = 0; j < numbers; ++j) v.of[j] = share * (keeps ? v.of[j] : exp_of<T>(__fmul_rn(a.scale, v.of[j]) - most));
        write_line<Lined>(y, i, n, v);
      });
    }
  }
}

/// dx = scale y (dy - sum(dy y)), or, log: scale (dy - exp(y) sum(dy))
template <class T, row_hold Hold, bool Lined>
STRETTO_KERNEL void __launch_bounds__(most_row_threads) softmax_backward_rows(softmax_arguments<T> a) {
  constexpr int numbers = in_line<T>;
  __shared__ float room[row_team::room];
  row_team team(a.threads, room);
  for (row_turn row(team, a.rows); row.more(); row.next()) {
    const std::int64_t t = row.at(), n = row.columns(a.columns);
    const held_row<T, Hold, Lined> y(a.x + t * a.x_gap, n, team, shared_lines<T>(0, a.columns)), dy(a.dy + t * a.dy_gap, n, team, shared_lines<T>(1, a.columns));
    float sum = 0;
    y.each(team, [&](int k, std::int64_t i) {
      const floats<numbers> v = y.at(k, i), d = dy.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) sum += a.log ? d.of[j] : d.of[j] * v.of[j];
    });
    sum = team.template all<adds>(sum);
    T* const dx = a.y + t * a.y_gap;
    y.each(team, [&](int k, std::int64_t i) {
      floats<numbers> v = y.at(k, i);
      const floats<numbers> d = dy.at(k, i);
#pragma unroll
      for (int j = 0; j < numbers; ++j) v.of[j] = a.log ? a.scale * (d.of[j] - exp_of<T>(v.of[j]) * sum) : a.scale * v.of[j] * (d.of[j] - sum);
      write_line<Lined>(dx, i, n, v);
    });
  }
}

}  // namespace stretto::inline v0::cuda
