// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of matrices, biases and their gradients.
//
//     add(q, x, r, y);                 y = x + r: a residual, or the gradients of two consumers. y may be x or r
//     add_bias(q, x, bias, y);         y = x + bias, one number a column. y may be x
//     bias_gradient(q, dy, dbias);     dbias += the rows of dy, first to last, in float where dy is bf16 or fp16
// Each column is summed in the order of its rows onto what is there: rows in two calls, or in micro-batches, give the bits
// of one. Cost: one pass over memory.
#pragma once

#include <stretto/host/elementwise.hpp>
#include <stretto/numeric/add.hpp>

namespace stretto::inline v0::host {

template <class T>
struct add_bias_arguments {
  elementwise_arguments<T, 1, 1> rows;
  const T* bias;
};

/// What the kernel of bias_gradient is given; threads share columns.
template <class T>
struct bias_gradient_arguments {
  const T* dy;
  std::int64_t gap, rows;
  float* dbias;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/add.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

template <class T>
void add(queue& q, reads<T, 2> x, reads<T, 2> r, const tensor_view<T, 2>& y) {
  const auto a = elementwise<T, 2, 1>("add", {x, r}, {y});
  if constexpr (std::is_same_v<T, double>) reference::add(x, r, y);
  else q.split(a.blocks.count, 1, q.pick(&portable::add_runs<T>, &avx2::add_runs<T>, &avx512::add_runs<T>), a);
}

template <class T>
void add_bias(queue& q, reads<T, 2> x, reads<T, 1> bias, const tensor_view<T, 2>& y) {
  const add_bias_arguments<T> a{elementwise<T, 1, 1>("add_bias", {x}, {y}, true), bias.data()};
  detail::check_run("add_bias", "bias", bias, y.columns(), "column");
  if constexpr (std::is_same_v<T, double>) reference::add_bias(x, bias, y);
  else q.split(a.rows.blocks.count, 1, q.pick(&portable::add_bias_runs<T>, &avx2::add_bias_runs<T>, &avx512::add_bias_runs<T>), a);
}

template <class Dy>
void bias_gradient(queue& q, const tensor_view<Dy, 2>& dy, writes<computes_in<Dy>, 1> dbias) {
  using T = std::remove_const_t<Dy>;
  detail::check_run("bias_gradient", "dbias", dbias, dy.columns(), "column");
  if constexpr (std::is_same_v<T, double>) {
    reference::bias_gradient(dy, dbias);
  } else {
    const bias_gradient_arguments<T> a{dy.data(), dy.stride(0), dy.rows(), dbias.data()};
    q.split(dy.columns(), 64, q.pick(&portable::bias_gradient_columns<T>, &avx2::bias_gradient_columns<T>, &avx512::bias_gradient_columns<T>), a);
  }
}

}  // namespace stretto::inline v0::host
