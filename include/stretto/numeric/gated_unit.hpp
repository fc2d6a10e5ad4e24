// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gated units in plain loops: one half of a layer's numbers, activated, times the other.
//
//     h = f(gate) up            swiglu: f is silu;  geglu: gelu or gelu_tanh;  reglu: relu;  glu: logistic
//     dgate = dh up f'(gate)    dup = dh f(gate)
// Source: Shazeer, GLU variants improve transformer, arXiv 2002.05202, 2020.
#pragma once

#include <cstdint>

#include <stretto/numeric/activation.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::reference {

template <class T>
void gated_unit(reads<T, 2> gate, reads<T, 2> up, const tensor_view<T, 2>& h, activation kind = activation::silu) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < h.rows(); ++i)
    for (std::int64_t j = 0; j < h.columns(); ++j) h(i, j) = static_cast<T>(activated(kind, static_cast<C>(gate(i, j))) * static_cast<C>(up(i, j)));
}

/// dgate and dup may be gate and up.
template <class T>
void gated_unit_backward(reads<T, 2> gate, reads<T, 2> up, reads<T, 2> dh, const tensor_view<T, 2>& dgate, writes<T, 2> dup, activation kind = activation::silu) {
  using C = computes_in<T>;
  for (std::int64_t i = 0; i < dgate.rows(); ++i)
    for (std::int64_t j = 0; j < dgate.columns(); ++j) {
      const C g = static_cast<C>(gate(i, j)), u = static_cast<C>(up(i, j)), d = static_cast<C>(dh(i, j));
      dgate(i, j) = static_cast<T>(d * u * activation_slope(kind, g));
      dup(i, j) = static_cast<T>(d * activated(kind, g));
    }
}

}  // namespace stretto::inline v0::reference
