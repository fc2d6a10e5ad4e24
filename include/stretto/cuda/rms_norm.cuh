// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// rms_norm on a CUDA device: each row divided by the root of its mean square, times a weight a column.
//
//     rms_norm(q, x, weight, y, inverse, {.epsilon = 1e-5});                       y = x r w; r, one a row, for the way back
//     add_rms_norm(q, x, residual, weight, s, y, inverse);                         s = x + residual, y = norm(s)
//     rms_norm_backward_input(q, s, weight, inverse, dy, dx, {.residual_gradient = ds});        writes dx
//     rms_norm_backward_weight(q, s, inverse, dy, dweight);                        adds to dweight
//     rms_norm_backward(q, s, weight, inverse, dy, dx, dweight, {…});              both in one pass over s and dy
// weight may be {}: ones. s may be x or residual, dx may be dy or residual_gradient, y may be x. Gradients of weights are summed
// in parts whose number hangs on the shape alone. Cost: x read and y written once; backward x and dy read, dx written; the
// weights' gradient x and dy read, which one pass for both saves. Scratch memory: parts of up to 1,024 rows of floats.
// Source: numeric/rms_norm.hpp.
#pragma once

#include <stretto/cuda/norm.cuh>
#include <stretto/numeric/rms_norm.hpp>

namespace stretto::inline v0::cuda {

/// y and, where it isn't {}, the inverse root of each row.
template <class Runtime, class T>
STRETTO_OPERATION void rms_norm(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, const tensor_view<T, 2, basic_memory<Runtime>>& y,
                                device_writes<Runtime, float, 1> inverse = {}, const rms_norm_options& o = {}) {
  detail::norm_of<false, Runtime, T>(q, "rms_norm", x, {}, weight, {}, {}, y, {}, inverse, o.epsilon, o.weight_offset);
}

/// s = x + residual, rounded to T; y = norm(s).
template <class Runtime, class T>
STRETTO_OPERATION void add_rms_norm(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 2> residual, device_reads<Runtime, T, 1> weight,
                                    device_writes<Runtime, T, 2> s, const tensor_view<T, 2, basic_memory<Runtime>>& y, device_writes<Runtime, float, 1> inverse = {},
                                    const rms_norm_options& o = {}) {
  stretto::detail::check_matrix("add_rms_norm", "a residual", residual, x.rows(), x.columns());
  stretto::detail::check_matrix("add_rms_norm", "s", s, x.rows(), x.columns());
  detail::norm_of<false, Runtime, T>(q, "add_rms_norm", x, residual, weight, {}, s, y, {}, inverse, o.epsilon, o.weight_offset);
}

template <class Runtime, class T>
STRETTO_OPERATION void rms_norm_backward_input(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, device_reads<Runtime, float, 1> inverse,
                                               device_reads<Runtime, T, 2> dy, const tensor_view<T, 2, basic_memory<Runtime>>& dx,
                                               const rms_norm_backward_options<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>& o = {}) {
  detail::norm_input_gradient<false, Runtime, T>(q, "rms_norm_backward_input", x, weight, {}, inverse, dy, o.residual_gradient, dx, o.weight_offset);
}

/// Adds to dweight.
template <class Runtime, class X>
STRETTO_OPERATION void rms_norm_backward_weight(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& x, device_reads<Runtime, float, 1> inverse,
                                                device_reads<Runtime, X, 2> dy, device_writes<Runtime, float, 1> dweight) {
  detail::norm_weight_gradient<false, Runtime, std::remove_const_t<X>>(q, "rms_norm_backward_weight", x, {}, inverse, dy, dweight, {});
}

/// Writes dx and adds to dweight.
template <class Runtime, class T>
STRETTO_OPERATION void rms_norm_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, device_reads<Runtime, float, 1> inverse,
                                         device_reads<Runtime, T, 2> dy, const tensor_view<T, 2, basic_memory<Runtime>>& dx, device_writes<Runtime, float, 1> dweight,
                                         const rms_norm_backward_options<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>& o = {}) {
  detail::norm_gradients<false, Runtime, T>(q, "rms_norm_backward", x, weight, {}, inverse, dy, o.residual_gradient, dx, dweight, {}, o.weight_offset);
}

}  // namespace stretto::inline v0::cuda
