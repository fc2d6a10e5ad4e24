// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// rms_norm on the CPU: each row divided by the root of its mean square, times a weight a column.
//
//     rms_norm(q, x, weight, y, inverse, {.epsilon = 1e-5});                       y = x r w; r, one a row, for the way back
//     add_rms_norm(q, x, residual, weight, s, y, inverse);                         s = x + residual, y = norm(s)
//     rms_norm_backward_input(q, s, weight, inverse, dy, dx, {.residual_gradient = ds});        writes dx
//     rms_norm_backward_weight(q, s, inverse, dy, dweight);                        adds to dweight
// weight may be {}: ones. s may be x or residual, dx may be dy or residual_gradient, y may be x. A gradient of weights is the
// sum of its rows, ascending, then added to what is there. Cost: x read and y written once; backward x and dy read, dx
// written; the weights' gradient x and dy read. double goes through the plain loops of numeric/rms_norm.hpp.
// Source: numeric/rms_norm.hpp.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/rms_norm.hpp>

namespace stretto::inline v0::host {

/// What the forward kernel is given.
template <class T>
struct rms_norm_arguments {
  std::int64_t columns;
  const T *x, *residual, *weight;
  T *s, *y;
  float* inverse;
  std::int64_t x_gap, residual_gap, s_gap, y_gap;  ///< from row to row
  float epsilon, offset;
  bool streams, s_streams;
};

/// What the backward kernels are given.
template <class T>
struct rms_norm_backward_arguments {
  std::int64_t rows, columns;
  const T *x, *dy, *weight, *residual;
  const float* inverse;
  T* dx;
  float* dweight;
  std::int64_t x_gap, dy_gap, residual_gap, dx_gap;
  float offset;
  bool streams;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/rms_norm.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

namespace detail {

template <class T>
void rms_norm(queue& q, const char* operation, reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, writes<T, 2> s, const tensor_view<T, 2>& y,
              writes<computes_in<T>, 1> inverse, const rms_norm_options& o) {
  const std::int64_t rows = x.rows(), columns = x.columns();
  check_matrix(operation, "y", y, rows, columns);
  check_run(operation, "a weight", weight, columns, "column", true);
  check_run(operation, "inverse", inverse, rows, "row", true);
  if constexpr (std::is_same_v<T, double>) {
    if (residual.data() != nullptr) return reference::add_rms_norm<double>(x, residual, weight, s, y, inverse, o);
    reference::rms_norm<double>(x, weight, y, inverse, o);
  } else {
    const bool much = past_cache<T>(residual.data() != nullptr ? 2 * x.size() : x.size());
    const rms_norm_arguments<T> a{columns, x.data(), residual.data(), weight.data(), s.data(), y.data(), inverse.data(),
                                  x.stride(0), residual.stride(0), s.stride(0), y.stride(0), static_cast<float>(o.epsilon), static_cast<float>(o.weight_offset),
                                  much && y.data() != x.data(), much && s.data() != x.data() && s.data() != residual.data()};
    q.need_scratch(2 * float_bytes(columns), operation);
    q.split(rows, row_grain(columns), q.pick(&portable::rms_norm<T>, &avx2::rms_norm<T>, &avx512::rms_norm<T>), a);
  }
}

}  // namespace detail

/// y and, where it isn't {}, the inverse root of each row.
template <class T>
void rms_norm(queue& q, reads<T, 2> x, reads<T, 1> weight, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> inverse = {}, const rms_norm_options& o = {}) {
  detail::rms_norm<T>(q, "rms_norm", x, {}, weight, {}, y, inverse, o);
}

/// s = x + residual, rounded to T; y = norm(s).
template <class T>
void add_rms_norm(queue& q, reads<T, 2> x, reads<T, 2> residual, reads<T, 1> weight, writes<T, 2> s, const tensor_view<T, 2>& y,
                  writes<computes_in<T>, 1> inverse = {}, const rms_norm_options& o = {}) {
  detail::check_matrix("add_rms_norm", "a residual", residual, x.rows(), x.columns());
  detail::check_matrix("add_rms_norm", "s", s, x.rows(), x.columns());
  detail::rms_norm<T>(q, "add_rms_norm", x, residual, weight, s, y, inverse, o);
}

template <class T>
void rms_norm_backward_input(queue& q, reads<T, 2> x, reads<T, 1> weight, reads<computes_in<T>, 1> inverse, reads<T, 2> dy, const tensor_view<T, 2>& dx,
                             const rms_norm_backward_options<std::type_identity_t<T>>& o = {}) {
  constexpr const char* operation = "rms_norm_backward_input";
  const std::int64_t rows = x.rows(), columns = x.columns();
  detail::check_run(operation, "a weight", weight, columns, "column", true);
  detail::check_run(operation, "inverse", inverse, rows, "row");
  detail::check_matrix(operation, "dy", dy, rows, columns);
  detail::check_matrix(operation, "dx", dx, rows, columns);
  if (o.residual_gradient.data() != nullptr) detail::check_matrix(operation, "a residual gradient", o.residual_gradient, rows, columns);
  if constexpr (std::is_same_v<T, double>) {
    reference::rms_norm_backward_input<double>(x, weight, inverse, dy, dx, o);
  } else {
    const bool in_place = dx.data() == dy.data() || dx.data() == o.residual_gradient.data();
    const rms_norm_backward_arguments<T> a{rows, columns, x.data(), dy.data(), weight.data(), o.residual_gradient.data(), inverse.data(), dx.data(), nullptr,
                                           x.stride(0), dy.stride(0), o.residual_gradient.stride(0), dx.stride(0), static_cast<float>(o.weight_offset),
                                           !in_place && detail::past_cache<T>(x.size())};
    q.need_scratch(detail::float_bytes(columns), operation);
    q.split(rows, detail::row_grain(columns), q.pick(&portable::rms_norm_backward_input<T>, &avx2::rms_norm_backward_input<T>, &avx512::rms_norm_backward_input<T>), a);
  }
}

/// Adds to dweight.
template <class T>
void rms_norm_backward_weight(queue& q, const tensor_view<T, 2>& x, reads<computes_in<T>, 1> inverse, reads<T, 2> dy, writes<computes_in<T>, 1> dweight) {
  constexpr const char* operation = "rms_norm_backward_weight";
  detail::check_run(operation, "inverse", inverse, x.rows(), "row");
  detail::check_matrix(operation, "dy", dy, x.rows(), x.columns());
  detail::check_run(operation, "dweight", dweight, x.columns(), "column");
  using number = std::remove_const_t<T>;
  if constexpr (std::is_same_v<number, double>) {
    reference::rms_norm_backward_weight(x, inverse, dy, dweight);
  } else {
    const rms_norm_backward_arguments<number> a{x.rows(), x.columns(), x.data(), dy.data(), nullptr, nullptr, inverse.data(), nullptr, dweight.data(),
                                                x.stride(0), dy.stride(0), 0, 0, 0, false};
    q.need_scratch(detail::float_bytes(detail::row_block), operation);
    q.split(x.columns(), detail::column_grain, q.pick(&portable::rms_norm_backward_weight<number>, &avx2::rms_norm_backward_weight<number>, &avx512::rms_norm_backward_weight<number>), a);
  }
}

}  // namespace stretto::inline v0::host
