// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Optimizers over plain arrays. One is a value with a number of states a parameter and a function from old values to new
// ones; every element is computed by itself, in a fixed order of operations, so equal gradients give equal weights.
//
//     sgd{.rate = 0.1}                            w -= rate * g
//     sgd{.rate = 0.1, .momentum = 0.9}           v = momentum * v + g;  w -= rate * v
//     adamw{.rate = 1e-3, .decay = 0.01}          w -= rate * (m^ / (sqrt(v^) + epsilon) + decay * w)
// `scale` is what gradients are multiplied with before anything else: the factor of clipping. An optimizer that takes a
// `const parameter&` behind all is told which parameter it steps.
// Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
#pragma once

#include <cmath>
#include <cstdint>

namespace stretto::inline v0 {

struct sgd {
  double rate = 0.01;
  double momentum = 0;

  static constexpr int states = 1;  ///< arrays that it keeps beside a parameter, zero before the first step

  /// One step of n values. `count` is the number of this step, from 1.
  template <class T>
  void operator()(T* value, const T* gradient, T* const* state, std::int64_t n, double scale, std::int64_t count) const {
    (void)count;
    const T by = static_cast<T>(rate), keep = static_cast<T>(momentum), s = static_cast<T>(scale);
    for (std::int64_t i = 0; i < n; ++i) {
      const T g = gradient[i] * s;
      state[0][i] = keep * state[0][i] + g;
      value[i] -= by * state[0][i];
    }
  }
};

struct adamw {
  double rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double decay = 0.01;

  static constexpr int states = 2;

  template <class T>
  void operator()(T* value, const T* gradient, T* const* state, std::int64_t n, double scale, std::int64_t count) const {
    const T b1 = static_cast<T>(beta1), b2 = static_cast<T>(beta2), s = static_cast<T>(scale);
    const T c1 = static_cast<T>(1 / (1 - std::pow(beta1, static_cast<double>(count))));
    const T c2 = static_cast<T>(1 / (1 - std::pow(beta2, static_cast<double>(count))));
    const T by = static_cast<T>(rate), guard = static_cast<T>(epsilon), fade = static_cast<T>(decay);
    for (std::int64_t i = 0; i < n; ++i) {
      const T g = gradient[i] * s;
      T& m = state[0][i];
      T& v = state[1][i];
      m = b1 * m + (1 - b1) * g;
      v = b2 * v + (1 - b2) * g * g;
      value[i] -= by * (m * c1 / (std::sqrt(v * c2) + guard) + fade * value[i]);
    }
  }
};

}  // namespace stretto::inline v0
