// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations and their slopes on a CUDA device: numeric/activation.hpp, in the forms of the CPU's lanes.
//
//     each_activated<true>(kind, x, y);            y = f(x) of N floats; true: the result is rounded to two bytes
//     each_slope<true>(kind, x, f, d);             f(x) and f'(x)
// The kind is the same for all threads, so choosing is one jump a line. Results of two bytes take the exponential and the
// division that the hardware has, to 2 units of float; those of float take the exact ones.
// Cost: from 1 instruction a number (relu) to some 35 (gelu).
// Source: CUDA C++ Programming Guide 13, mathematical functions: __expf, __fdividef.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>
#include <stretto/numeric/activation.hpp>

namespace stretto::inline v0::cuda {

template <bool Fast>
struct activation_math {
  __device__ static float exp(float x) { return Fast ? __expf(x) : expf(x); }
  __device__ static float divide(float a, float b) { return Fast ? __fdividef(a, b) : a / b; }
  /// Within a range; what is no number stays so.
  __device__ static float within(float x, float most) { return x > most ? most : x < -most ? -most : x; }
  __device__ static float relu(float x) { return x < 0 ? 0.0f : x; }

  /// l and 1 - l of the logistic function's value l: the difference would cancel where l is nearly 1.
  struct parts {
    float l, rest;
  };
  __device__ static parts logistic(float x) {
    const float e = exp(-within(x, 88.0f)), l = divide(1.0f, 1.0f + e);
    return {l, e * l};
  }
  __device__ static float logistic_alone(float x) { return divide(1.0f, 1.0f + exp(-x)); }
  /// l + f l (1 - l)
  __device__ static float logistic_times(const parts& p, float f) { return fmaf(p.l * f, p.rest, p.l); }

  /// P(x) of the normal distribution and exp(-x^2 / 2): P(-|x|) = exp(-x^2 / 2) t Q(t), t = 1 / (1 + 0.3 |x|), Q to 3e-8.
  struct normal_parts {
    float distribution, exponential;
  };
  __device__ static normal_parts normal(float x) {
    const float t = divide(1.0f, fmaf(fabsf(x), 0.3f, 1.0f)), e = exp(-0.5f * x * x);
    float h = 0.0380356833f;
    h = fmaf(h, t, -0.1672875583f);
    h = fmaf(h, t, 0.2242636383f);
    h = fmaf(h, t, -0.0707856566f);
    h = fmaf(h, t, 0.1380213052f);
    h = fmaf(h, t, 0.0968890414f);
    h = fmaf(h, t, 0.1212706193f);
    h = fmaf(h, t, 0.1195929497f);
    const float tail = t * h * e;
    return {x < 0 ? tail : 1.0f - tail, e};
  }

  /// 2 sqrt(2 / pi) (x + 0.044715 x^3), and how steep it is times x
  __device__ static float gelu_inner(float x) { return x * fmaf(x * x, 0.0713548163f, 1.5957691216f); }
  __device__ static float gelu_inner_times(float x) { return x * fmaf(x * x, 0.2140644488f, 1.5957691216f); }
};

template <bool Fast, int N>
__device__ inline void each_activated(activation kind, const floats<N>& x, floats<N>& y) {
  using math = activation_math<Fast>;
  const auto all = [&](auto f) {
#pragma unroll
    for (int i = 0; i < N; ++i) y.of[i] = f(x.of[i]);
  };
  switch (kind) {
    case activation::none: return all([](float v) { return v; });
    case activation::relu: return all([](float v) { return math::relu(v); });
    case activation::relu_squared: return all([](float v) { return math::relu(v) * math::relu(v); });
    case activation::gelu: return all([](float v) { return v * math::normal(v).distribution; });
    case activation::gelu_tanh: return all([](float v) { return v * math::logistic_alone(math::gelu_inner(v)); });
    case activation::silu: return all([](float v) { return v * math::logistic_alone(v); });
    case activation::tanh: return all([](float v) { return tanhf(v); });
    case activation::logistic: return all([](float v) { return math::logistic_alone(v); });
  }
}

/// f(x) and how steep f is there. Beyond 16 gelu's slopes are flat; their limits are numbers.
template <bool Fast, int N>
__device__ inline void each_slope(activation kind, const floats<N>& x, floats<N>& f, floats<N>& slope) {
  using math = activation_math<Fast>;
  const auto all = [&](auto both) {
#pragma unroll
    for (int i = 0; i < N; ++i) both(x.of[i], f.of[i], slope.of[i]);
  };
  switch (kind) {
    case activation::none: return all([](float v, float& y, float& d) { y = v, d = 1; });
    case activation::relu: return all([](float v, float& y, float& d) { y = math::relu(v), d = v > 0 ? 1.0f : 0.0f; });
    case activation::relu_squared: return all([](float v, float& y, float& d) { y = math::relu(v) * math::relu(v), d = 2 * math::relu(v); });
    case activation::gelu:
      return all([](float v, float& y, float& d) {
        const float w = math::within(v, 16.0f);
        const auto n = math::normal(w);
        y = v * n.distribution, d = fmaf(w * 0.39894228040f, n.exponential, n.distribution);
      });
    case activation::gelu_tanh:
      return all([](float v, float& y, float& d) {
        const float w = math::within(v, 16.0f);
        const auto p = math::logistic(math::gelu_inner(w));
        y = v * p.l, d = math::logistic_times(p, math::gelu_inner_times(w));
      });
    case activation::silu:
      return all([](float v, float& y, float& d) {
        const auto p = math::logistic(v);
        y = v * p.l, d = math::logistic_times(p, math::within(v, 128.0f));
      });
    case activation::tanh:
      return all([](float v, float& y, float& d) {
        const auto p = math::logistic(v + v);
        y = tanhf(v), d = 4 * p.l * p.rest;
      });
    case activation::logistic:
      return all([](float v, float& y, float& d) {
        const auto p = math::logistic(v);
        y = p.l, d = p.l * p.rest;
      });
  }
}

/// Whether results of T take the fast functions.
template <class T>
inline constexpr bool fast_activations = sizeof(T) == 2;

}  // namespace stretto::inline v0::cuda
