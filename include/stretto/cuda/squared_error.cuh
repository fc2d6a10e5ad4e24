// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The squared error of scores on a CUDA device: the sum over rows of the mean of (score - target)².
//
//     squared_error(q, scores, targets, sum);                          sum: a cuda::sum; nobody waits; targets are float
//     squared_error_backward(q, scores, targets, factor, dscores);     dscores may be the scores
// Cost: a launch; the sum is made by one block, in double. See numeric/squared_error.hpp.
#pragma once

#include <stretto/cuda/kernels/squared_error.cuh>
#include <stretto/cuda/queue.hpp>
#include <stretto/cuda/row_shapes.hpp>
#include <stretto/cuda/sum.hpp>
#include <stretto/numeric/squared_error.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime, class X>
STRETTO_OPERATION void squared_error(basic_queue<Runtime>& q, const tensor_view<X, 2, basic_memory<Runtime>>& scores, device_reads<Runtime, float, 2> targets, const basic_sum<Runtime>& sum) {
  using T = std::remove_const_t<X>;
  detail::check_row_type<T>();
  stretto::detail::check_squared_error("squared_error", scores.extents(), targets);
  const squared_error_arguments<T> a{scores.rows(), scores.columns(), scores.data(), scores.stride(0), targets.data(), targets.stride(0), 0, nullptr, sum.view().data(), nullptr, 0};
  q.launch("squared_error", sum_squared_errors<T>, {.blocks = 1, .threads = error_threads}, a, reads_of(scores, targets), writes_of(sum.view()));
}

namespace detail {

template <class Runtime, class T>
STRETTO_OPERATION void squared_error_gradient(basic_queue<Runtime>& q, const device_reads<Runtime, T, 2>& scores, const device_reads<Runtime, float, 2>& targets, double factor,
                                              const device_reads<Runtime, double, 1>& factor_there, const tensor_view<T, 2, basic_memory<Runtime>>& dscores) {
  detail::check_row_type<T>();
  stretto::detail::check_squared_error("squared_error_backward", scores.extents(), targets);
  stretto::detail::check_squared_error("squared_error_backward", scores.extents(), dscores);
  const squared_error_arguments<T> a{scores.rows(), scores.columns(), scores.data(), scores.stride(0), targets.data(), targets.stride(0), factor, factor_there.data(), nullptr,
                                     dscores.data(), dscores.stride(0)};
  q.launch("squared_error_backward", squared_error_gradients<T>, {.blocks = detail::row_blocks(dscores.size(), each_threads), .threads = each_threads}, a, reads_of(scores, targets, factor_there), writes_of(dscores));
}

}  // namespace detail

template <class Runtime, class T>
STRETTO_OPERATION void squared_error_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> scores, device_reads<Runtime, float, 2> targets, double factor,
                                              const tensor_view<T, 2, basic_memory<Runtime>>& dscores) {
  detail::squared_error_gradient<Runtime, T>(q, scores, targets, factor, {}, dscores);
}
/// With a factor that is on the device when the kernel reads it.
template <class Runtime, class T>
STRETTO_OPERATION void squared_error_backward(basic_queue<Runtime>& q, device_reads<Runtime, T, 2> scores, device_reads<Runtime, float, 2> targets, device_reads<Runtime, double, 1> factor,
                                              const tensor_view<T, 2, basic_memory<Runtime>>& dscores) {
  if (factor.size() != 1) throw error(text("stretto: squared_error_backward takes one factor, and was given ", factor.size(), "; give a number, or a view of one").str());
  detail::squared_error_gradient<Runtime, T>(q, scores, targets, 0, factor, dscores);
}

}  // namespace stretto::inline v0::cuda
