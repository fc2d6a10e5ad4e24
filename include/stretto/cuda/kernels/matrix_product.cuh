// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a library's matrix product leaves to do: what stands behind the sums, and products of shapes or addresses that it has no
// algorithm for.
//
//     finish_product      c = activation(sums (+ c) + bias) + residual, a line a thread
//     plain_product       a tile of 64 by 64 a block, 16 of the depth at a time through shared memory; any gaps and addresses
// Each element of plain_product is summed in the order of the depth. Cost: a read of each number and a write; plain_product a
// few Tflop/s.
#pragma once

#include <stretto/cuda/kernels/activation_math.cuh>

namespace stretto::inline v0::cuda {

/// What is done to sums, and where they go.
template <class C>
struct product_end {
  C* c;
  std::int64_t gap;
  const C* bias;
  C* before;
  std::int64_t before_gap;
  const C* residual;
  std::int64_t residual_gap;
  std::int64_t rows, columns;
  activation kind;
  bool adds;  ///< to what c holds
};

/// N neighbours of a row.
template <int N, class C>
__device__ inline void end_product(const product_end<C>& to, std::int64_t row, std::int64_t column, floats<N> s) {
  if (to.adds) {
    const floats<N> had = load<N>(to.c + row * to.gap + column);
#pragma unroll
    for (int i = 0; i < N; ++i) s.of[i] += had.of[i];
  }
  if (to.bias != nullptr) {
    const floats<N> bias = load<N>(to.bias + column);
#pragma unroll
    for (int i = 0; i < N; ++i) s.of[i] += bias.of[i];
  }
  if (to.before != nullptr) store(to.before + row * to.before_gap + column, s);
  floats<N> y;
  each_activated<fast_activations<C>>(to.kind, s, y);
  if (to.residual != nullptr) {
    const floats<N> residual = load<N>(to.residual + row * to.residual_gap + column);
#pragma unroll
    for (int i = 0; i < N; ++i) y.of[i] += residual.of[i];
  }
  store(to.c + row * to.gap + column, y);
}

template <class C>
struct finish_arguments {
  const float* sums;
  std::int64_t gap;
  product_end<C> to;
};
/// N: a line of C, or one number.
template <int N, class C>
STRETTO_KERNEL void finish_product(finish_arguments<C> a) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * N;
  if (column >= a.to.columns) return;
  for (std::int64_t row = blockIdx.y; row < a.to.rows; row += gridDim.y) end_product<N>(a.to, row, column, load<N>(a.sums + row * a.gap + column));
}

template <class T, class C>
struct plain_product_arguments {
  const T *a, *b;
  std::int64_t a_row, a_step, b_step, b_column;  ///< how far neighbours are apart along rows, the depth and columns
  std::int64_t depth;
  product_end<C> to;
};
template <class T, class C>
STRETTO_KERNEL void __launch_bounds__(256) plain_product(plain_product_arguments<T, C> p) {
  constexpr int side = 64, deep = 16;
  alignas(16) __shared__ float a[deep][side + 4];
  alignas(16) __shared__ float b[deep][side + 4];
  const std::int64_t across = (p.to.columns + side - 1) / side, tiles = across * ((p.to.rows + side - 1) / side);
  const int thread = static_cast<int>(threadIdx.x), down = thread / 16 * 4, right = thread % 16 * 4;
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t row = tile / across * side, column = tile % across * side;
    float s[4][4] = {};
    for (std::int64_t k = 0; k < p.depth; k += deep) {
      // Threads side by side read along what is contiguous.
#pragma unroll
      for (int n = 0; n < side * deep / 256; ++n) {
        const int at = thread + n * 256, i = p.a_step == 1 ? at / deep : at % side, l = p.a_step == 1 ? at % deep : at / side;
        a[l][i] = row + i < p.to.rows && k + l < p.depth ? widen(p.a[(row + i) * p.a_row + (k + l) * p.a_step]) : 0.0f;
        const int j = p.b_step == 1 ? at / deep : at % side, m = p.b_step == 1 ? at % deep : at / side;
        b[m][j] = column + j < p.to.columns && k + m < p.depth ? widen(p.b[(k + m) * p.b_step + (column + j) * p.b_column]) : 0.0f;
      }
      __syncthreads();
      const int there = static_cast<int>(p.depth - k < deep ? p.depth - k : deep);
      for (int l = 0; l < there; ++l) {  // not beyond the depth: 0 times what is no number
        const floats<4> x = load<4>(&a[l][down]), y = load<4>(&b[l][right]);
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) s[i][j] = fmaf(x.of[i], y.of[j], s[i][j]);
      }
      __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (row + down + i < p.to.rows && column + right + j < p.to.columns) end_product<1>(p.to, row + down + i, column + right + j, floats<1>{{s[i][j]}});
  }
}

}  // namespace stretto::inline v0::cuda
