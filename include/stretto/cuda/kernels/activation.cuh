// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations and gated units as rules for kernels/each.cuh.
//
//     activation_rule        y = f(x)                   activation_slope_rule    dx = dy f'(x)
//     gated_rule             h = f(gate) up             gated_slope_rule         dgate = dh up f'(gate), dup = dh f(gate)
#pragma once

#include <stretto/cuda/kernels/activation_math.cuh>
#include <stretto/cuda/kernels/each.cuh>

namespace stretto::inline v0::cuda {

template <class T>
struct activation_rule {
  activation kind;
  template <int N>
  __device__ void operator()(const floats<N> (&x)[1], floats<N> (&y)[1], std::int64_t, std::int64_t) const {
    each_activated<fast_activations<T>>(kind, x[0], y[0]);
  }
};

/// x: what was activated, then dy.
template <class T>
struct activation_slope_rule {
  activation kind;
  template <int N>
  __device__ void operator()(const floats<N> (&x)[2], floats<N> (&dx)[1], std::int64_t, std::int64_t) const {
    floats<N> f, slope;
    each_slope<fast_activations<T>>(kind, x[0], f, slope);
#pragma unroll
    for (int i = 0; i < N; ++i) dx[0].of[i] = x[1].of[i] * slope.of[i];
  }
};

/// x: gate, up.
template <class T>
struct gated_rule {
  activation kind;
  template <int N>
  __device__ void operator()(const floats<N> (&x)[2], floats<N> (&h)[1], std::int64_t, std::int64_t) const {
    floats<N> f;
    each_activated<fast_activations<T>>(kind, x[0], f);
#pragma unroll
    for (int i = 0; i < N; ++i) h[0].of[i] = f.of[i] * x[1].of[i];
  }
};

/// x: gate, up, dh; d: dgate, dup.
template <class T>
struct gated_slope_rule {
  activation kind;
  template <int N>
  __device__ void operator()(const floats<N> (&x)[3], floats<N> (&d)[2], std::int64_t, std::int64_t) const {
    floats<N> f, slope;
    each_slope<fast_activations<T>>(kind, x[0], f, slope);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      d[0].of[i] = x[2].of[i] * x[1].of[i] * slope.of[i];
      d[1].of[i] = x[2].of[i] * f.of[i];
    }
  }
};

}  // namespace stretto::inline v0::cuda
