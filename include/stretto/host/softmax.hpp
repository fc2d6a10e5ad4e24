// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// softmax on the CPU, of each row.
//
//     softmax(q, x, y);                                        y = exp(x) / sum(exp(x))
//     softmax(q, x, y, lse, {.scale = 0.125, .log = true});    y = scale x - l; l = log(sum(exp(scale x))), one a row
//     softmax_backward(q, y, dy, dx, {.scale = 0.125, .log = true});
// y may be x, dx may be dy or y. Cost: x read and y written once, an exponential a number; backward y and dy read, dx written.
// double goes through the plain loops of numeric/softmax.hpp.
#pragma once

#include <stretto/host/rows.hpp>
#include <stretto/numeric/softmax.hpp>

namespace stretto::inline v0::host {

/// What the kernels are given. Backward, x is what softmax gave, and y is dx.
template <class T>
struct softmax_arguments {
  std::int64_t columns;
  const T *x, *dy;
  T* y;
  float* lse;
  std::int64_t x_gap, dy_gap, y_gap;  ///< from row to row
  float scale;
  bool log, streams;
};

}  // namespace stretto::inline v0::host

#define STRETTO_KERNELS <stretto/host/kernels/softmax.inl>
#include <stretto/host/each_isa.inl>

namespace stretto::inline v0::host {

/// y and, where it isn't {}, l of each row.
template <class T>
void softmax(queue& q, reads<T, 2> x, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> lse = {}, const softmax_options& o = {}) {
  const std::int64_t rows = x.rows(), columns = x.columns();
  detail::check_matrix("softmax", "y", y, rows, columns);
  detail::check_run("softmax", "lse", lse, rows, "row", true);
  if constexpr (std::is_same_v<T, double>) {
    reference::softmax<double>(x, y, lse, o);
  } else {
    const softmax_arguments<T> a{columns, x.data(), nullptr, y.data(), lse.data(), x.stride(0), 0, y.stride(0), static_cast<float>(o.scale), o.log,
                                 y.data() != x.data() && detail::past_cache<T>(x.size())};
    if (!o.log) q.need_scratch(detail::float_bytes(columns), "softmax");
    q.split(rows, detail::row_grain(columns), q.pick(&portable::softmax<T>, &avx2::softmax<T>, &avx512::softmax<T>), a);
  }
}

/// dx from y, what softmax gave with the same options.
template <class T>
void softmax_backward(queue& q, reads<T, 2> y, reads<T, 2> dy, const tensor_view<T, 2>& dx, const softmax_options& o = {}) {
  const std::int64_t rows = y.rows(), columns = y.columns();
  detail::check_matrix("softmax_backward", "dy", dy, rows, columns);
  detail::check_matrix("softmax_backward", "dx", dx, rows, columns);
  if constexpr (std::is_same_v<T, double>) {
    reference::softmax_backward<double>(y, dy, dx, o);
  } else {
    const softmax_arguments<T> a{columns, y.data(), dy.data(), dx.data(), nullptr, y.stride(0), dy.stride(0), dx.stride(0), static_cast<float>(o.scale), o.log,
                                 dx.data() != dy.data() && dx.data() != y.data() && detail::past_cache<T>(y.size())};
    q.split(rows, detail::row_grain(columns), q.pick(&portable::softmax_backward<T>, &avx2::softmax_backward<T>, &avx512::softmax_backward<T>), a);
  }
}

}  // namespace stretto::inline v0::host
