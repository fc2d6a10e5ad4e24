// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// layer_norm on the CPU: of each row the distances from its mean, divided by their root mean square, times a weight and plus
// a bias a column.
//
//     layer_norm(q, x, weight, bias, y, mean, inverse, {.epsilon = 1e-5});     y = (x - m) r w + b; m and r, one a row, for the way back
//     add_layer_norm(q, x, residual, weight, bias, s, y, mean, inverse);       s = x + residual, y = norm(s)
//     layer_norm_backward_input(q, s, weight, mean, inverse, dy, dx, {.residual_gradient = ds});       writes dx
//     layer_norm_backward_weight(q, s, mean, inverse, dy, dweight, dbias);     adds to both
// weight and bias may be {}: ones and zeros; dbias may be {}. s may be x or residual, dx may be dy or residual_gradient, y may
// be x. A gradient of weights is the sum of its rows, ascending, then added to what is there. Cost: x read and y written once;
// backward x and dy read, dx written; the weights' gradients x and dy read. double goes through the plain loops.
// Source: numeric/layer_norm.hpp.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/layer_norm.hpp>

namespace stretto::inline v0::host {

/// What the forward kernel is given.
template <class T>
struct layer_norm_arguments {
  std::int64_t columns;
  const T *x, *residual, *weight, *bias;
  T *s, *y;
  float *mean, *inverse;
  std::int64_t x_gap, residual_gap, s_gap, y_gap;  ///< from row to row
  float epsilon;
  bool streams, s_streams;
};

/// What the backward kernels are given.
template <class T>
struct layer_norm_backward_arguments {
  std::int64_t rows, columns;
  const T *x, *dy, *weight, *residual;
  const float *mean, *inverse;
  T* dx;
  float *dweight, *dbias;
  std::int64_t x_gap, dy_gap, residual_gap, dx_gap;
  bool streams;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/layer_norm.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

template <class T>
void layer_norm(queue& q, const char* operation, reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, reads<T, 1> bias, writes<T, 2> s,
                const tensor_view<T, 2>& y, writes<computes_in<T>, 1> mean, writes<computes_in<T>, 1> inverse, const layer_norm_options& o) {
  const std::int64_t rows = x.rows(), columns = x.columns();
  check_matrix(operation, "y", y, rows, columns);
  check_run(operation, "a weight", weight, columns, "column", true);
  check_run(operation, "a bias", bias, columns, "column", true);
  check_run(operation, "mean", mean, rows, "row", true);
  check_run(operation, "inverse", inverse, rows, "row", true);
  if constexpr (std::is_same_v<T, double>) {
    if (residual.data() != nullptr) return reference::add_layer_norm<double>(x, residual, weight, bias, s, y, mean, inverse, o);
    reference::layer_norm<double>(x, weight, bias, y, mean, inverse, o);
  } else {
    const bool much = past_cache<T>(residual.data() != nullptr ? 2 * x.size() : x.size());
    const layer_norm_arguments<T> a{columns, x.data(), residual.data(), weight.data(), bias.data(), s.data(), y.data(), mean.data(), inverse.data(),
                                    x.stride(0), residual.stride(0), s.stride(0), y.stride(0), static_cast<float>(o.epsilon),
                                    much && y.data() != x.data(), much && s.data() != x.data() && s.data() != residual.data()};
    q.need_scratch(3 * float_bytes(columns), operation);
    q.split(rows, row_grain(columns), q.pick(&portable::layer_norm<T>, &avx2::layer_norm<T>, &avx512::layer_norm<T>), a);
  }
}

}  // namespace detail

/// y and, where they aren't {}, mean and inverse root of each row.
template <class T>
void layer_norm(queue& q, reads<T, 2> x, reads<T, 1> weight, reads<T, 1> bias, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> mean = {},
                writes<computes_in<T>, 1> inverse = {}, const layer_norm_options& o = {}) {
  detail::layer_norm<T>(q, "layer_norm", x, {}, weight, bias, {}, y, mean, inverse, o);
}

/// s = x + residual, rounded to T; y = norm(s).
template <class T>
void add_layer_norm(queue& q, reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, reads<T, 1> bias, writes<T, 2> s, const tensor_view<T, 2>& y,
                    writes<computes_in<T>, 1> mean = {}, writes<computes_in<T>, 1> inverse = {}, const layer_norm_options& o = {}) {
  detail::check_matrix("add_layer_norm", "a residual", residual, x.rows(), x.columns());
  detail::check_matrix("add_layer_norm", "s", s, x.rows(), x.columns());
  detail::layer_norm<T>(q, "add_layer_norm", x, residual, weight, bias, s, y, mean, inverse, o);
}

template <class T>
void layer_norm_backward_input(queue& q, reads<T, 2> x, reads<T, 1> weight, reads<computes_in<T>, 1> mean, reads<computes_in<T>, 1> inverse, reads<T, 2> dy,
                               const tensor_view<T, 2>& dx, const layer_norm_backward_options<std::type_identity_t<T>>& o = {}) {
  constexpr const char* operation = "layer_norm_backward_input";
  const std::int64_t rows = x.rows(), columns = x.columns();
  detail::check_run(operation, "a weight", weight, columns, "column", true);
  detail::check_run(operation, "mean", mean, rows, "row");
  detail::check_run(operation, "inverse", inverse, rows, "row");
  detail::check_matrix(operation, "dy", dy, rows, columns);
  detail::check_matrix(operation, "dx", dx, rows, columns);
  if (o.residual_gradient.data() != nullptr) detail::check_matrix(operation, "a residual gradient", o.residual_gradient, rows, columns);
  if constexpr (std::is_same_v<T, double>) {
    reference::layer_norm_backward_input<double>(x, weight, mean, inverse, dy, dx, o);
  } else {
    const bool in_place = dx.data() == dy.data() || dx.data() == o.residual_gradient.data();
    const layer_norm_backward_arguments<T> a{rows, columns, x.data(), dy.data(), weight.data(), o.residual_gradient.data(), mean.data(), inverse.data(),
                                             dx.data(), nullptr, nullptr, x.stride(0), dy.stride(0), o.residual_gradient.stride(0), dx.stride(0),
                                             !in_place && detail::past_cache<T>(x.size())};
    q.need_scratch(detail::float_bytes(columns), operation);
    q.split(rows, detail::row_grain(columns), q.pick(&portable::layer_norm_backward_input<T>, &avx2::layer_norm_backward_input<T>, &avx512::layer_norm_backward_input<T>), a);
  }
}

/// Adds to dweight and, where it isn't {}, to dbias.
template <class T>
void layer_norm_backward_weight(queue& q, const tensor_view<T, 2>& x, reads<computes_in<T>, 1> mean, reads<computes_in<T>, 1> inverse, reads<T, 2> dy,
                                writes<computes_in<T>, 1> dweight, writes<computes_in<T>, 1> dbias = {}) {
  constexpr const char* operation = "layer_norm_backward_weight";
  detail::check_run(operation, "mean", mean, x.rows(), "row");
  detail::check_run(operation, "inverse", inverse, x.rows(), "row");
  detail::check_matrix(operation, "dy", dy, x.rows(), x.columns());
  detail::check_run(operation, "dweight", dweight, x.columns(), "column");
  detail::check_run(operation, "dbias", dbias, x.columns(), "column", true);
  using number = std::remove_const_t<T>;
  if constexpr (std::is_same_v<number, double>) {
    reference::layer_norm_backward_weight(x, mean, inverse, dy, dweight, dbias);
  } else {
    const layer_norm_backward_arguments<number> a{x.rows(), x.columns(), x.data(), dy.data(), nullptr, nullptr, mean.data(), inverse.data(), nullptr,
                                                  dweight.data(), dbias.data(), x.stride(0), dy.stride(0), 0, 0, false};
    q.need_scratch(2 * detail::float_bytes(detail::row_block), operation);
    q.split(x.columns(), detail::column_grain, q.pick(&portable::layer_norm_backward_weight<number>, &avx2::layer_norm_backward_weight<number>, &avx512::layer_norm_backward_weight<number>), a);
  }
}

}  // namespace stretto::inline v0::host
