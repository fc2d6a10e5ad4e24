// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The squared error of scores: its sum by one block, in double and in an order that hangs on the shape alone, and its gradient.
//
//     thread t    scores t, t + 1024, …        warps by shuffles, then the warps in their order
// Cost: a read of scores and targets; one block, so a millisecond or so for some millions of them.
#pragma once

#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct squared_error_arguments {
  std::int64_t rows, columns;
  const T* scores;
  std::int64_t gap;
  const float* targets;
  std::int64_t targets_gap;
  double factor;             ///< of the gradient
  const double* factor_at;   ///< which is there instead; null: it isn't
  double* sum;
  T* dscores;
  std::int64_t dscores_gap;
};

inline constexpr int error_threads = 1024;

template <class T>
STRETTO_KERNEL __launch_bounds__(error_threads) void sum_squared_errors(squared_error_arguments<T> a) {
  __shared__ double room[error_threads / 32];
  double mine = 0;
  for (std::int64_t i = threadIdx.x; i < a.rows * a.columns; i += error_threads) {
    const std::int64_t row = row_of_unit(i, a.columns), column = i - row * a.columns;
    const double off = static_cast<double>(widen(a.scores[row * a.gap + column])) - static_cast<double>(a.targets[row * a.targets_gap + column]);
    mine += off * off;
  }
#pragma unroll
  for (int apart = 16; apart > 0; apart /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, apart);
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double all = 0;
  for (int w = 0; w < error_threads / 32; ++w) all += room[w];
  *a.sum = a.rows > 0 && a.columns > 0 ? all / static_cast<double>(a.columns) : 0.0;
}

template <class T>
STRETTO_KERNEL __launch_bounds__(each_threads) void squared_error_gradients(squared_error_arguments<T> a) {
  const std::int64_t all = a.rows * a.columns;
  const double by = 2 * (a.factor_at != nullptr ? *a.factor_at : a.factor) / static_cast<double>(a.columns);
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < all; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    const std::int64_t row = row_of_unit(i, a.columns), column = i - row * a.columns;
    const double off = static_cast<double>(widen(a.scores[row * a.gap + column])) - static_cast<double>(a.targets[row * a.targets_gap + column]);
    a.dscores[row * a.dscores_gap + column] = narrow<T>(static_cast<float>(by * off));
  }
}

}  // namespace stretto::inline v0::cuda
