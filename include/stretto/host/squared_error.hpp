// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The squared error of scores on the CPU: the sum over rows of the mean of (score - target)².
//
//     squared_error(q, scores, targets, sum);                          sum: a double; targets are float
//     squared_error_backward(q, scores, targets, factor, dscores);     dscores may be the scores
// Cost: plain loops in double over what are few numbers; see numeric/squared_error.hpp.
#pragma once

#include <stretto/host/queue.hpp>
#include <stretto/numeric/squared_error.hpp>

namespace stretto::inline v0::host {

template <class T>
void squared_error(queue&, const tensor_view<T, 2>& scores, reads<float, 2> targets, double& sum) {
  stretto::detail::check_squared_error("squared_error", scores.extents(), targets);
  sum = reference::squared_error(scores, targets);
}

template <class T>
void squared_error_backward(queue&, reads<T, 2> scores, reads<float, 2> targets, double factor, const tensor_view<T, 2>& dscores) {
  stretto::detail::check_squared_error("squared_error_backward", scores.extents(), targets);
  stretto::detail::check_squared_error("squared_error_backward", scores.extents(), dscores);
  reference::squared_error_backward(scores, targets, factor, dscores);
}

}  // namespace stretto::inline v0::host
