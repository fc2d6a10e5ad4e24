// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of matrices and biases as rules, and the kernels of a bias's gradient.
//
//     rows     | 128 | 128 | 128 | 70 |         a block sums one chunk of rows of one band of columns
//     a block    warps 0 … 7: rows 0 8 16 …, 1 9 17 …, …            then the eight sums in order
//     dbias    ((dbias + chunk 0) + chunk 1) + …
// A chunk has 128 rows whatever the matrix has, so the bits don't hang on the device; rows in two calls give those of one
// where the first has whole chunks. Cost: one read of dy, and a float a column and chunk written and read.
#pragma once

#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

struct add_rule {
  template <int N>
  __device__ void operator()(const floats<N> (&x)[2], floats<N> (&y)[1], std::int64_t, std::int64_t) const {
#pragma unroll
    for (int i = 0; i < N; ++i) y[0].of[i] = x[0].of[i] + x[1].of[i];
  }
};

template <class T>
struct add_bias_rule {
  const T* bias;
  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[1], std::int64_t, std::int64_t column) const {
    const floats<N> b = load<N>(bias + column);
#pragma unroll
    for (int i = 0; i < N; ++i) y[0].of[i] = x[0].of[i] + b.of[i];
  }
};

inline constexpr int sum_chunk = 128;  ///< rows
inline constexpr int sum_warps = 8;

template <class T>
struct column_sums_arguments {
  const T* dy;
  std::int64_t gap, rows, columns;
  float* sums;  ///< a row a chunk; with one chunk what is added to
  bool adds;
};

/// Lines of N columns a lane.
template <int N, class T>
STRETTO_KERNEL __launch_bounds__(32 * sum_warps) void column_sums(column_sums_arguments<T> a) {
  constexpr int band = 32 * N, ahead = 4;
  __shared__ float room[sum_warps][N][33];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const std::int64_t bands = (a.columns + band - 1) / band, chunks = (a.rows + sum_chunk - 1) / sum_chunk;
  for (std::int64_t i = blockIdx.x; i < bands * chunks; i += gridDim.x) {
    const std::int64_t chunk = row_of_unit(i, bands), column = (i - chunk * bands) * band + lane * N;
    const std::int64_t end = (chunk + 1) * sum_chunk < a.rows ? (chunk + 1) * sum_chunk : a.rows;
    floats<N> sum{};
    if (column < a.columns) {
      std::int64_t r = chunk * sum_chunk + warp;
      for (; r + (ahead - 1) * sum_warps < end; r += ahead * sum_warps) {
        line<N, T> x[ahead];
#pragma unroll
        for (int k = 0; k < ahead; ++k) load_line(x[k], a.dy + (r + k * sum_warps) * a.gap + column);
#pragma unroll
        for (int k = 0; k < ahead; ++k)
#pragma unroll
          for (int j = 0; j < N; ++j) sum.of[j] += widen(x[k].each[j]);
      }
      for (; r < end; r += sum_warps) {
        line<N, T> x;
        load_line(x, a.dy + r * a.gap + column);
#pragma unroll
        for (int j = 0; j < N; ++j) sum.of[j] += widen(x.each[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < N; ++j) room[warp][j][lane] = sum.of[j];
    __syncthreads();
    for (int j = threadIdx.x; j < band; j += 32 * sum_warps) {
      const std::int64_t c = (i - chunk * bands) * band + j;
      if (c >= a.columns) continue;
      float s = room[0][j % N][j / N];
#pragma unroll
      for (int w = 1; w < sum_warps; ++w) s += room[w][j % N][j / N];
      float* const to = a.sums + chunk * a.columns + c;
      *to = a.adds ? *to + s : s;
    }
    __syncthreads();
  }
}

struct add_chunks_arguments {
  const float* sums;
  std::int64_t chunks, columns;
  float* to;
};

template <int Threads>
STRETTO_KERNEL __launch_bounds__(Threads) void add_chunks(add_chunks_arguments a) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * Threads + threadIdx.x;
  if (c >= a.columns) return;
  float s = a.to[c];
#pragma unroll 8
  for (std::int64_t k = 0; k < a.chunks; ++k) s += a.sums[k * a.columns + c];
  a.to[c] = s;
}

}  // namespace stretto::inline v0::cuda
