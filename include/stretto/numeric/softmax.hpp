// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softmax of each row, as plain loops: what the devices' versions are held to.
//
//     l = log(sum of exp(scale x))       y = exp(scale x - l)       dx = scale y (dy - sum(dy y))
//                            or, log:    y = scale x - l            dx = scale (dy - exp(y) sum(dy))
// The largest number is taken off before exp, so nothing overflows. -infinity is a probability of 0; a row of nothing else
// has no softmax and gives what is no number.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

struct softmax_options {
  double scale = 1;
  bool log = false;  ///< y is the logarithm of the softmax
};

namespace reference {

/// y and, where it isn't {}, l of each row.
template <class T>
void softmax(reads<T, 2> x, const tensor_view<T, 2>& y, writes<computes_in<T>, 1> lse = {}, const softmax_options& o = {}) {
  using number = computes_in<T>;
  const auto scale = static_cast<number>(o.scale);
  for (std::int64_t t = 0; t < x.rows(); ++t) {
    number most = -std::numeric_limits<number>::infinity(), all = 0;
    for (std::int64_t i = 0; i < x.columns(); ++i) {
      const number v = scale * static_cast<number>(x(t, i));
      most = v > most ? v : most;
    }
    if (most == -std::numeric_limits<number>::infinity()) most = 0;
    for (std::int64_t i = 0; i < x.columns(); ++i) all += std::exp(scale * static_cast<number>(x(t, i)) - most);
    if (lse.data() != nullptr) lse[t] = most + std::log(all);
    for (std::int64_t i = 0; i < x.columns(); ++i) {
      const number v = scale * static_cast<number>(x(t, i)) - most;
      y(t, i) = static_cast<T>(o.log ? v - std::log(all) : std::exp(v) / all);
    }
  }
}

template <class T>
void softmax_backward(reads<T, 2> y, reads<T, 2> dy, const tensor_view<T, 2>& dx, const softmax_options& o = {}) {
  using number = computes_in<T>;
  const auto scale = static_cast<number>(o.scale);
  for (std::int64_t t = 0; t < y.rows(); ++t) {
    number all = 0;
    for (std::int64_t i = 0; i < y.columns(); ++i) all += static_cast<number>(dy(t, i)) * (o.log ? 1 : static_cast<number>(y(t, i)));
    for (std::int64_t i = 0; i < y.columns(); ++i) {
      const auto v = static_cast<number>(y(t, i)), d = static_cast<number>(dy(t, i));
      dx(t, i) = static_cast<T>(o.log ? scale * (d - std::exp(v) * all) : scale * v * (d - all));
    }
  }
}

}  // namespace reference
}  // namespace stretto::inline v0
