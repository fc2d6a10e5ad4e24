// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel of operations that give each number by itself, from numbers that stand in the same place. An operation is a
// small struct; rows may have gaps; whole lines of sixteen bytes are read and written where the addresses allow.
//
//     struct add_rule {                                  In: 2, Out: 1
//       template <int N> __device__ void operator()(const floats<N> (&x)[2], floats<N> (&y)[1], std::int64_t row, std::int64_t column) const;
//     };
//     thread t of block b      lines  512 b + t  and  512 b + t + 256          both are read before the first is used
// Rows without gaps are one long row, whose last few numbers, short of a line, are done by block 0. Every input is read where
// the result of the same place is written, so results may stand where inputs did. Cost: one pass over memory.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>

namespace stretto::inline v0::cuda {

inline constexpr int each_threads = 256;

/// N neighbours as they are in memory: half the registers of floats where T has two bytes.
template <int N, class T>
struct line {
  static constexpr bool whole = N * static_cast<int>(sizeof(T)) % 16 == 0;
  static constexpr int words = whole ? N * static_cast<int>(sizeof(T)) / 16 : 1;
  union {
    uint4 word[words];
    T each[N];
  };
  __device__ line() {}
};
template <int N, class T>
__device__ inline void load_line(line<N, T>& to, const T* from) {
  if constexpr (line<N, T>::whole) {
#pragma unroll
    for (int i = 0; i < line<N, T>::words; ++i) to.word[i] = reinterpret_cast<const uint4*>(from)[i];
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to.each[i] = from[i];
  }
}
template <int N, class T>
__device__ inline floats<N> widen(const line<N, T>& from) {
  floats<N> x;
#pragma unroll
  for (int i = 0; i < N; ++i) x.of[i] = widen(from.each[i]);
  return x;
}

/// Which row of `per_row` units the unit i is in. Divisions of 64 bits are slow, and seldom needed.
__device__ inline std::int64_t row_of_unit(std::int64_t i, std::int64_t per_row) {
  if ((i | per_row) >> 32 == 0) return static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(per_row);
  return i / per_row;
}

template <class From, class To, int In, int Out, class Rule>
struct each_arguments {
  std::int64_t rows, per_row;  ///< lines in a row
  std::int64_t tail;           ///< numbers behind the last line; of one row alone
  const From* in[In];
  std::int64_t in_gap[In];  ///< from row to row
  To* out[Out];
  std::int64_t out_gap[Out];
  Rule rule;
};

/// Lines of N numbers, `Lines` of them at a time.
template <int N, int Lines, class From, class To, int In, int Out, class Rule>
STRETTO_KERNEL __launch_bounds__(each_threads) void each_kernel(each_arguments<From, To, In, Out, Rule> a) {
  const std::int64_t all = a.rows * a.per_row, step = static_cast<std::int64_t>(gridDim.x) * (each_threads * Lines);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (each_threads * Lines) + threadIdx.x; first < all; first += step) {
    line<N, From> given[Lines][In];
    std::int64_t row[Lines], column[Lines];
#pragma unroll
    for (int l = 0; l < Lines; ++l) {
      const std::int64_t i = first + l * each_threads;
      if (i >= all) continue;
      row[l] = a.rows == 1 ? 0 : row_of_unit(i, a.per_row);
      column[l] = (i - row[l] * a.per_row) * N;
#pragma unroll
      for (int k = 0; k < In; ++k) load_line(given[l][k], a.in[k] + row[l] * a.in_gap[k] + column[l]);
    }
#pragma unroll
    for (int l = 0; l < Lines; ++l) {
      if (first + l * each_threads >= all) continue;
      floats<N> x[In], y[Out];
#pragma unroll
      for (int k = 0; k < In; ++k) x[k] = widen(given[l][k]);
      a.rule(x, y, row[l], column[l]);
#pragma unroll
      for (int k = 0; k < Out; ++k) store(a.out[k] + row[l] * a.out_gap[k] + column[l], y[k]);
    }
  }
  if (blockIdx.x == 0 && threadIdx.x < a.tail) {
    const std::int64_t column = a.per_row * N + threadIdx.x;
    floats<1> x[In], y[Out];
#pragma unroll
    for (int k = 0; k < In; ++k) x[k].of[0] = widen(a.in[k][column]);
    a.rule(x, y, 0, column);
#pragma unroll
    for (int k = 0; k < Out; ++k) a.out[k][column] = narrow<To>(y[k].of[0]);
  }
}

}  // namespace stretto::inline v0::cuda
