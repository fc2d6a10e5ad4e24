// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gated units on a CUDA device: swiglu, geglu and others of the kind.
//
//     const auto gate = both.columns(0, width), up = both.columns(width, width);       of one product's result
//     gated_unit(q, gate, up, h, activation::silu);                         h = silu(gate) up: swiglu
//     gated_unit_backward(q, gate, up, dh, gate, up, activation::silu);     gradients where the numbers were
// The backward pass computes the activation again from gate. dgate and dup may be gate, up or dh, or columns of a matrix.
// Cost: forward two reads and a write an element, backward three and two.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/activation.cuh>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
STRETTO_OPERATION void gated_unit(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> gate, device_reads<Runtime, T, 2> up,
                                  const tensor_view<T, 2, basic_memory<Runtime>>& h, activation kind = activation::silu) {
  launch_each<2, 1>(q, "gated_unit", gated_rule<T>{kind}, {gate, up}, {h});
}

template <class Runtime, class T>
STRETTO_OPERATION void gated_unit_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> gate, device_reads<Runtime, T, 2> up,
                                           device_reads<Runtime, T, 2> dh, const tensor_view<T, 2, basic_memory<Runtime>>& dgate,
                                           device_writes<Runtime, T, 2> dup, activation kind = activation::silu) {
  launch_each<3, 2>(q, "gated_unit_backward", gated_slope_rule<T>{kind}, {gate, up, dh}, {dgate, dup});
}

}  // namespace stretto::inline v0::cuda
