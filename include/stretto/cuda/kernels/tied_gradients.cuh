// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernel that adds the gradients of all uses of a tied parameter, in double, in their order:
//
//     use 0  0.1 0.2 …   use 1  0.3 0.1 …   ─► 0.4 0.3 …  as floats, and the sum of the squares of each 4096 neighbours
// More uses than a launch takes are added by several, which hand on their sums in double. Cost: one read of each use's
// gradient and one write.
#pragma once

#include <stretto/cuda/kernels/gradient_norm.cuh>

namespace stretto::inline v0::cuda {

inline constexpr int tied_uses = 16;  ///< that a launch adds

struct tied_arguments {
  const float* shares[tied_uses];
  int uses;
  std::int64_t count;
  float* to;        ///< null: only the squares are wanted
  double* partial;  ///< sums of the uses before, or for those behind; null: these are all
  double* sums;     ///< of squares, one a block
  bool begins, ends;
};

template <int>
STRETTO_KERNEL __launch_bounds__(norm_threads) void add_tied(tied_arguments a) {
  constexpr int n = in_line<float>, lines = static_cast<int>(fixed_block) / (norm_threads * n);
  __shared__ double rooms[norm_threads / 32];
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * fixed_block, left = a.count - first;
  double squares = 0;
#pragma unroll
  for (int l = 0; l < lines; ++l) {
    const int at = (l * norm_threads + static_cast<int>(threadIdx.x)) * n;
    double sum[n] = {};
    if (!a.begins) {
#pragma unroll
      for (int k = 0; k < n; ++k)
        if (at + k < left) sum[k] = a.partial[first + at + k];
    }
    for (int u = 0; u < a.uses; ++u) {
      const float* const x = a.shares[u] + first;
      line<n, float> v;
      if (left >= fixed_block && reinterpret_cast<std::uintptr_t>(x) % 16 == 0) {
        load_line(v, x + at);
      } else {
#pragma unroll
        for (int k = 0; k < n; ++k) v.each[k] = at + k < left ? x[at + k] : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < n; ++k) sum[k] += static_cast<double>(v.each[k]);
    }
#pragma unroll
    for (int k = 0; k < n; ++k) {
      if (at + k >= left) continue;
      if (!a.ends) a.partial[first + at + k] = sum[k];
      else if (a.to != nullptr) a.to[first + at + k] = static_cast<float>(sum[k]);
      squares += sum[k] * sum[k];
    }
  }
  const double all = block_sum_of_doubles(squares, rooms);
  if (a.ends && threadIdx.x == 0) a.sums[blockIdx.x] = all;
}

}  // namespace stretto::inline v0::cuda
