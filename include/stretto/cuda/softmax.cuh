// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// softmax on a CUDA device, of each row.
//
//     softmax(q, x, y);                                        y = exp(x) / sum(exp(x))
//     softmax(q, x, y, lse, {.scale = 0.125, .log = true});    y = scale x - l; l = log(sum(exp(scale x))), one a row
//     softmax_backward(q, y, dy, dx, {.scale = 0.125, .log = true});
// y may be x, dx may be dy or y. Cost: x read and y written once; backward y and dy read, dx written.
// Source: numeric/softmax.hpp.
#pragma once

#include <stretto/cuda/kernels/softmax.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/numeric/row_checks.hpp>
#include <stretto/numeric/softmax.hpp>

namespace stretto::inline v0::cuda {

/// y and, where it isn't {}, l of each row.
template <class Runtime, class T>
STRETTO_OPERATION void softmax(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, const tensor_view<T, 2, basic_memory<Runtime>>& y, device_writes<Runtime, float, 1> lse = {},
                               const softmax_options& o = {}) {
  detail::check_row_type<T>();
  const std::int64_t rows = x.rows(), n = x.columns();
  stretto::detail::check_matrix("softmax", "y", y, rows, n);
  stretto::detail::check_run("softmax", "lse", lse, rows, "row", true);
  const row_plan p = plan_rows<T>(rows, n, 1);
  const softmax_arguments<T> a{rows, n, p.threads, x.data(), nullptr, y.data(), lse.data(), x.stride(0), 0, y.stride(0), static_cast<float>(o.scale), o.log};
  const auto kernel = p.hold == row_hold::again                          ? softmax_rows<T, row_hold::again, false>
                      : p.hold == row_hold::shared                        ? softmax_rows<T, row_hold::shared, false>
                      : detail::rows_in_lines(x) && detail::rows_in_lines(y) ? softmax_rows<T, row_hold::registers, true>
                                                                          : softmax_rows<T, row_hold::registers, false>;
  q.launch("softmax", kernel, p.launch(), a, reads_of(x), writes_of(y, lse));
}

/// dx from y, what softmax gave with the same options.
template <class Runtime, class T>
STRETTO_OPERATION void softmax_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> y, device_reads<Runtime, T, 2> dy, const tensor_view<T, 2, basic_memory<Runtime>>& dx,
                                        const softmax_options& o = {}) {
  detail::check_row_type<T>();
  const std::int64_t rows = y.rows(), n = y.columns();
  stretto::detail::check_matrix("softmax_backward", "dy", dy, rows, n);
  stretto::detail::check_matrix("softmax_backward", "dx", dx, rows, n);
  if (dx.empty()) return;
  const row_plan p = plan_rows<T>(rows, n, 2, false, most_row_threads, slim_row_threads);
  const softmax_arguments<T> a{rows, n, p.threads, y.data(), dy.data(), dx.data(), nullptr, y.stride(0), dy.stride(0), dx.stride(0), static_cast<float>(o.scale), o.log};
  const auto kernel = p.hold == row_hold::again   ? softmax_backward_rows<T, row_hold::again, false>
                      : p.hold == row_hold::shared ? softmax_backward_rows<T, row_hold::shared, false>
                      : detail::rows_in_lines(y) && detail::rows_in_lines(dy) && detail::rows_in_lines(dx) ? softmax_backward_rows<T, row_hold::registers, true>
                                                                                                          : softmax_backward_rows<T, row_hold::registers, false>;
  q.launch("softmax_backward", kernel, p.launch(), a, reads_of(y, dy), writes_of(dx));
}

}  // namespace stretto::inline v0::cuda
