// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gated units: swiglu, geglu and others of the kind.
//
//     tensor<float, 2> both({tokens, 2 * width});                           one product gives gate and up side by side
//     const auto gate = both.columns(0, width), up = both.columns(width, width);
//     gated_unit(q, gate, up, h, activation::silu);                         h = silu(gate) up: swiglu
//     gated_unit_backward(q, gate, up, dh, gate, up, activation::silu);     gradients where the numbers were
// The backward pass computes the activation again from gate. dgate and dup may be gate, up or dh, or columns of a matrix.
// Cost: forward two reads and a write an element, backward three and two.
#pragma once

#include <stretto/host/activation.hpp>
#include <stretto/numeric/gated_unit.hpp>

#define STRETTO_KERNELS <stretto/host/kernels/gated_unit.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

template <class T>
void gated_unit(queue& q, reads<T, 2> gate, reads<T, 2> up, const tensor_view<T, 2>& h, activation kind = activation::silu) {
  const auto a = elementwise<T, 2, 1>("gated_unit", {gate, up}, {h});
  if constexpr (std::is_same_v<T, double>) {
    reference::gated_unit(gate, up, h, kind);
  } else {
    with_activation(kind, [&](auto k) {
      constexpr activation fixed = decltype(k)::value;
      q.split(a.blocks.count, 1, q.pick(&portable::gate_runs<fixed, T>, &avx2::gate_runs<fixed, T>, &avx512::gate_runs<fixed, T>), a);
    });
  }
}

template <class T>
void gated_unit_backward(queue& q, reads<T, 2> gate, reads<T, 2> up, reads<T, 2> dh, const tensor_view<T, 2>& dgate, writes<T, 2> dup, activation kind = activation::silu) {
  const auto a = elementwise<T, 3, 2>("gated_unit_backward", {gate, up, dh}, {dgate, dup});
  if constexpr (std::is_same_v<T, double>) {
    reference::gated_unit_backward(gate, up, dh, dgate, dup, kind);
  } else {
    with_activation(kind, [&](auto k) {
      constexpr activation fixed = decltype(k)::value;
      q.split(a.blocks.count, 1, q.pick(&portable::gate_gradient_runs<fixed, T>, &avx2::gate_gradient_runs<fixed, T>, &avx512::gate_gradient_runs<fixed, T>), a);
    });
  }
}

}  // namespace stretto::inline v0::host
