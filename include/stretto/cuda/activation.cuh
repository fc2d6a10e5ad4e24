// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Activations of matrices on a CUDA device.
//
//     activate(q, x, y, activation::gelu);                 y = gelu(x)
//     activate_backward(q, x, dy, dx, activation::gelu);   dx = dy gelu'(x)
// The backward pass reads what the forward pass read, so its result needn't be kept. y may be x; dx may be dy or x.
// Cost: one pass over memory.
#pragma once

#include <stretto/cuda/each.cuh>
#include <stretto/cuda/kernels/activation.cuh>

namespace stretto::inline v0::cuda {

template <class Runtime, class T>
STRETTO_OPERATION void activate(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, const tensor_view<T, 2, basic_memory<Runtime>>& y, activation kind) {
  launch_each<1, 1>(q, "activate", activation_rule<T>{kind}, {x}, {y});
}

template <class Runtime, class T>
STRETTO_OPERATION void activate_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 2> dy,
                                         const tensor_view<T, 2, basic_memory<Runtime>>& dx, activation kind) {
  launch_each<2, 1>(q, "activate_backward", activation_slope_rule<T>{kind}, {x, dy}, {dx});
}

}  // namespace stretto::inline v0::cuda
