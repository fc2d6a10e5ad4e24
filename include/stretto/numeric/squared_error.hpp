// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The squared error of rows of scores, as plain loops: of each row the mean of (score - target)², and their sum.
//
//     loss = sum over rows, columns of (score - target)² / columns        gradient: 2 factor (score - target) / columns
// In double, whatever the scores are. Cost: a read of both.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

namespace detail {

template <class T, class Space>
void check_squared_error(const char* operation, const shape<2>& scores, const tensor_view<T, 2, Space>& other) {
  if (other.extents() != scores)
    throw error(text("stretto: ", operation, " of scores of shape ", scores.words().str(), " was given targets or a gradient of shape ", other.extents().words().str(), "; give them the same shape").str());
}

}  // namespace detail

namespace reference {

template <class T>
double squared_error(const tensor_view<T, 2>& scores, reads<float, 2> targets) {
  double sum = 0;
  for (std::int64_t i = 0; i < scores.rows(); ++i)
    for (std::int64_t j = 0; j < scores.columns(); ++j) {
      const double off = static_cast<double>(scores(i, j)) - static_cast<double>(targets(i, j));
      sum += off * off;
    }
  return scores.empty() ? 0 : sum / static_cast<double>(scores.columns());
}

/// dscores may be the scores.
template <class T>
void squared_error_backward(reads<T, 2> scores, reads<float, 2> targets, double factor, const tensor_view<T, 2>& dscores) {
  const double by = 2 * factor / static_cast<double>(scores.columns());
  for (std::int64_t i = 0; i < scores.rows(); ++i)
    for (std::int64_t j = 0; j < scores.columns(); ++j)
      dscores(i, j) = static_cast<T>(static_cast<computes_in<T>>(by * (static_cast<double>(scores(i, j)) - static_cast<double>(targets(i, j)))));
}

}  // namespace reference
}  // namespace stretto::inline v0
