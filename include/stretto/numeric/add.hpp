// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of matrices and biases, in plain loops.
//
//     add            y = x + r                      a residual, or the gradients of two consumers
//     add_bias       y = x + bias, a number a column
//     bias_gradient  dbias += rows of dy            row by row: rows in two calls give the bits of one
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::reference {

template <class T>
void add(reads<T, 2> x, reads<T, 2> r, const tensor_view<T, 2>& y) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < y.rows(); ++i)
    for (std::int64_t j = 0; j < y.columns(); ++j) y(i, j) = static_cast<T>(static_cast<C>(x(i, j)) + static_cast<C>(r(i, j)));
}

template <class T>
void add_bias(reads<T, 2> x, reads<T, 1> bias, const tensor_view<T, 2>& y) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < y.rows(); ++i)
    for (std::int64_t j = 0; j < y.columns(); ++j) y(i, j) = static_cast<T>(static_cast<C>(x(i, j)) + static_cast<C>(bias[j]));
}

template <class T>
void bias_gradient(const tensor_view<T, 2>& dy, writes<computes_in<T>, 1> dbias) {
  for (std::int64_t i = 0; i < dy.rows(); ++i)
    for (std::int64_t j = 0; j < dy.columns(); ++j) dbias[j] += static_cast<computes_in<T>>(dy(i, j));
}

}  // namespace stretto::inline v0::reference
