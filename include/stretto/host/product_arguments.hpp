// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a matrix product is asked for beside its matrices, and what its kernels are given; see matrix_product.hpp.
#pragma once

#include <stretto/host/queue.hpp>
#include <stretto/numeric/activation.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::host {

/// What is done to sums before they are put away, in this order.
template <class C>
struct product_options {
  bool accumulate = false;             ///< c is added to
  tensor_view<const C, 1> bias = {};       ///< one a column; {}, or a tensor of no numbers, which is the same: none
  tensor_view<C, 2> before = {};           ///< is given what goes into the activation
  activation kind = activation::none;
  tensor_view<const C, 2> residual = {};   ///< added at the end; may be c itself
};

/// What the kernels are given.
template <class T, class C>
struct product_arguments {
  std::int64_t rows, columns, depth;
  const T* a;
  std::int64_t a_gap;
  bool a_transposed;
  const T* b;
  std::int64_t b_gap;
  bool b_transposed;
  const void* packed;  ///< b as pack() leaves it, or null
  C* c;
  std::int64_t c_gap;
  bool accumulate;
  bool finishes;    ///< there is something to do behind the sums
  bool by_columns;  ///< threads share columns, else rows
  bool through_room;  ///< the residual stands where c does, so sums must not
  const C* bias;
  C* before;
  std::int64_t before_gap;
  activation kind;
  const C* residual;
  std::int64_t residual_gap;
};

/// What the packing kernels are given.
template <class T>
struct pack_arguments {
  const T* b;
  std::int64_t gap;
  bool transposed;
  std::int64_t depth, columns;
  void* to;
};

}  // namespace stretto::inline v0::host
