// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// layer_norm on a CUDA device: of each row the distances from its mean, divided by their root mean square, times a weight and
// plus a bias a column.
//
//     layer_norm(q, x, weight, bias, y, mean, inverse, {.epsilon = 1e-5});     y = (x - m) r w + b; m and r, one a row, for the way back
//     add_layer_norm(q, x, residual, weight, bias, s, y, mean, inverse);       s = x + residual, y = norm(s)
//     layer_norm_backward_input(q, s, weight, mean, inverse, dy, dx, {.residual_gradient = ds});       writes dx
//     layer_norm_backward_weight(q, s, mean, inverse, dy, dweight, dbias);     adds to both
//     layer_norm_backward(q, s, weight, mean, inverse, dy, dx, dweight, dbias, {…});      all in one pass over s and dy
// weight and bias may be {}: ones and zeros; dbias may be {}. s may be x or residual, dx may be dy or residual_gradient, y may
// be x. Gradients of weights are summed in parts whose number hangs on the shape alone. Cost: as of rms_norm.cuh; scratch
// memory: twice its parts.
// Source: numeric/layer_norm.hpp.
#pragma once

#include <stretto/cuda/norm.cuh>
#include <stretto/numeric/layer_norm.hpp>

namespace stretto::inline v0::cuda {

/// y and, where they aren't {}, mean and inverse root of each row.
template <class Runtime, class T>
STRETTO_OPERATION void layer_norm(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, device_reads<Runtime, T, 1> bias,
                                  const tensor_view<T, 2, basic_memory<Runtime>>& y, device_writes<Runtime, float, 1> mean = {}, device_writes<Runtime, float, 1> inverse = {},
                                  const layer_norm_options& o = {}) {
  detail::norm_of<true, Runtime, T>(q, "layer_norm", x, {}, weight, bias, {}, y, mean, inverse, o.epsilon, 0);
}

/// s = x + residual, rounded to T; y = norm(s).
template <class Runtime, class T>
STRETTO_OPERATION void add_layer_norm(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 2> residual, device_reads<Runtime, T, 1> weight,
                                      device_reads<Runtime, T, 1> bias, device_writes<Runtime, T, 2> s, const tensor_view<T, 2, basic_memory<Runtime>>& y,
                                      device_writes<Runtime, float, 1> mean = {}, device_writes<Runtime, float, 1> inverse = {}, const layer_norm_options& o = {}) {
  stretto::detail::check_matrix("add_layer_norm", "a residual", residual, x.rows(), x.columns());
  stretto::detail::check_matrix("add_layer_norm", "s", s, x.rows(), x.columns());
  detail::norm_of<true, Runtime, T>(q, "add_layer_norm", x, residual, weight, bias, s, y, mean, inverse, o.epsilon, 0);
}

template <class Runtime, class T>
STRETTO_OPERATION void layer_norm_backward_input(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, device_reads<Runtime, float, 1> mean,
                                                 device_reads<Runtime, float, 1> inverse, device_reads<Runtime, T, 2> dy, const tensor_view<T, 2, basic_memory<Runtime>>& dx,
                                                 const layer_norm_backward_options<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>& o = {}) {
  detail::norm_input_gradient<true, Runtime, T>(q, "layer_norm_backward_input", x, weight, mean, inverse, dy, o.residual_gradient, dx, 0);
}

/// Adds to dweight and, where it isn't {}, to dbias.
template <class Runtime, class X>
STRETTO_OPERATION void layer_norm_backward_weight(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& x, device_reads<Runtime, float, 1> mean,
                                                  device_reads<Runtime, float, 1> inverse, device_reads<Runtime, X, 2> dy, device_writes<Runtime, float, 1> dweight,
                                                  device_writes<Runtime, float, 1> dbias = {}) {
  detail::norm_weight_gradient<true, Runtime, std::remove_const_t<X>>(q, "layer_norm_backward_weight", x, mean, inverse, dy, dweight, dbias);
}

/// Writes dx, and adds to dweight and, where it isn't {}, to dbias.
template <class Runtime, class T>
STRETTO_OPERATION void layer_norm_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> x, device_reads<Runtime, T, 1> weight, device_reads<Runtime, float, 1> mean,
                                           device_reads<Runtime, float, 1> inverse, device_reads<Runtime, T, 2> dy, const tensor_view<T, 2, basic_memory<Runtime>>& dx,
                                           device_writes<Runtime, float, 1> dweight, device_writes<Runtime, float, 1> dbias = {},
                                           const layer_norm_backward_options<std::type_identity_t<T>, std::type_identity_t<basic_memory<Runtime>>>& o = {}) {
  detail::norm_gradients<true, Runtime, T>(q, "layer_norm_backward", x, weight, mean, inverse, dy, o.residual_gradient, dx, dweight, dbias, 0);
}

}  // namespace stretto::inline v0::cuda
