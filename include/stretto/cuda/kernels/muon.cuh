// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Muon does on a CUDA device besides products: momentum, the update divided by its norm, and multiples of a run.
//
//     muon_momentum     m = momentum m + scale g;  x = scale g + momentum m, or m          skipped: x = 0, m stays
//     muon_divide       x /= norm + 1e-7, where the norm is in the device's memory
//     multiples_rule    two multiples of each number
// Cost: one pass over memory each.
#pragma once

#include <stretto/cuda/kernels/each.cuh>
#include <stretto/numeric/optimizer.hpp>

namespace stretto::inline v0::cuda {

struct muon_momentum_arguments {
  std::int64_t count;
  const float* gradient;
  float *momentum, *update;
  const optimizer_scalars* scalars;
  float keep;
  bool nesterov;
};

template <int>
STRETTO_KERNEL __launch_bounds__(each_threads) void muon_momentum(muon_momentum_arguments a) {
  const float scale = static_cast<float>(a.scalars->scale);
  const bool skip = a.scalars->skip != 0;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < a.count; i += static_cast<std::int64_t>(gridDim.x) * each_threads) {
    if (skip) {
      a.update[i] = 0;
      continue;
    }
    const float g = __fmul_rn(a.gradient[i], scale), m = fmaf(a.keep, a.momentum[i], g);
    a.momentum[i] = m;
    a.update[i] = a.nesterov ? fmaf(a.keep, m, g) : m;
  }
}

struct muon_divide_arguments {
  std::int64_t count;
  float* x;
  const double* norm;
};

template <int>
STRETTO_KERNEL __launch_bounds__(each_threads) void muon_divide(muon_divide_arguments a) {
  const float by = static_cast<float>(1 / (*a.norm + 1e-7));
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * each_threads + threadIdx.x; i < a.count; i += static_cast<std::int64_t>(gridDim.x) * each_threads) a.x[i] *= by;
}

template <int Out>
struct multiples_rule {
  float by[Out];
  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[Out], std::int64_t, std::int64_t) const {
#pragma unroll
    for (int k = 0; k < Out; ++k)
#pragma unroll
      for (int i = 0; i < N; ++i) y[k].of[i] = x[0].of[i] * by[k];
  }
};

}  // namespace stretto::inline v0::cuda
