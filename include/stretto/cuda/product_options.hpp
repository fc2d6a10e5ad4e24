// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a matrix product of a CUDA device is asked for beside its matrices; as on the CPU.
//
//     matrix_product(q, x, transposed(w), y, {.bias = b, .kind = activation::gelu_tanh});
// Its parts are done in the order in which they stand here. Cost: see matrix_product.cuh.
#pragma once

#include <stretto/cuda/memory.hpp>
#include <stretto/numeric/activation.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda {

/// What is done to sums before they are put away, in this order.
template <class Runtime, class C>
struct basic_product_options {
  bool accumulate = false;                                        ///< c is added to
  tensor_view<const C, 1, basic_memory<Runtime>> bias = {};       ///< one a column; {}, or a tensor of no numbers, which is the same: none
  tensor_view<C, 2, basic_memory<Runtime>> before = {};           ///< is given what goes into the activation
  activation kind = activation::none;
  tensor_view<const C, 2, basic_memory<Runtime>> residual = {};   ///< added at the end; may be c itself
};

}  // namespace stretto::inline v0::cuda
