// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations of matrices, in plain loops.
//
//     y = f(x)        dx = dy f'(x)
// Cost: one function of the C++ library an element.
#pragma once

#include <cstdint>

#include <stretto/numeric/activation.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::reference {

template <class T>
void activate(reads<T, 2> x, const tensor_view<T, 2>& y, activation kind) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < y.rows(); ++i)
    for (std::int64_t j = 0; j < y.columns(); ++j) y(i, j) = static_cast<T>(activated(kind, static_cast<C>(x(i, j))));
}

/// dx may be dy.
template <class T>
void activate_backward(reads<T, 2> x, reads<T, 2> dy, const tensor_view<T, 2>& dx, activation kind) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < dx.rows(); ++i)
    for (std::int64_t j = 0; j < dx.columns(); ++j)
      dx(i, j) = static_cast<T>(static_cast<C>(dy(i, j)) * activation_slope(kind, static_cast<C>(x(i, j))));
}

}  // namespace stretto::inline v0::reference
