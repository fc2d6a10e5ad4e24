// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations of matrices.
//
//     activate(q, x, y, activation::gelu);                 y = gelu(x)
//     activate_backward(q, x, dy, dx, activation::gelu);   dx = dy gelu'(x)
// The backward pass reads what the forward pass read, so its result needn't be kept. y may be x; dx may be dy or x.
// Cost: one pass over memory; a vector of AVX-512 takes from 1 instruction (relu) to 45 (gelu).
#pragma once

#include <type_traits>

#include <stretto/host/activation_math.hpp>
#include <stretto/host/elementwise.hpp>
#include <stretto/numeric/activate.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/activation.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

/// Calls f with the kind as a constant: f(std::integral_constant<activation, kind>{}).
template <class F>
void with_activation(activation kind, F f) {
  switch (kind) {
    case activation::none: return f(std::integral_constant<activation, activation::none>{});
    case activation::relu: return f(std::integral_constant<activation, activation::relu>{});
    case activation::relu_squared: return f(std::integral_constant<activation, activation::relu_squared>{});
    case activation::gelu: return f(std::integral_constant<activation, activation::gelu>{});
    case activation::gelu_tanh: return f(std::integral_constant<activation, activation::gelu_tanh>{});
    case activation::silu: return f(std::integral_constant<activation, activation::silu>{});
    case activation::tanh: return f(std::integral_constant<activation, activation::tanh>{});
    case activation::logistic: return f(std::integral_constant<activation, activation::logistic>{});
  }
}

template <class T>
void activate(queue& q, reads<T, 2> x, const tensor_view<T, 2>& y, activation kind) {
  const auto a = elementwise<T, 1, 1>("activate", {x}, {y});
  if constexpr (std::is_same_v<T, double>) {
    reference::activate(x, y, kind);
  } else {
    with_activation(kind, [&](auto k) {
      constexpr activation fixed = decltype(k)::value;
      q.split(a.blocks.count, 1, q.pick(&portable::activate_runs<fixed, T>, &avx2::activate_runs<fixed, T>, &avx512::activate_runs<fixed, T>), a);
    });
  }
}

template <class T>
void activate_backward(queue& q, reads<T, 2> x, reads<T, 2> dy, const tensor_view<T, 2>& dx, activation kind) {
  const auto a = elementwise<T, 2, 1>("activate_backward", {x, dy}, {dx});
  if constexpr (std::is_same_v<T, double>) {
    reference::activate_backward(x, dy, dx, kind);
  } else {
    with_activation(kind, [&](auto k) {
      constexpr activation fixed = decltype(k)::value;
      q.split(a.blocks.count, 1, q.pick(&portable::activation_gradient_runs<fixed, T>, &avx2::activation_gradient_runs<fixed, T>, &avx512::activation_gradient_runs<fixed, T>), a);
    });
  }
}

}  // namespace stretto::inline v0::host
