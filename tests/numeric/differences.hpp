// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gradients held to central differences: (f(x + h) - f(x - h)) / 2h, for each number of x in turn.
//
//     test::check_gradient(x, dx, [&] { reference::op(x, y);  return test::weighted(y, dy); });
#pragma once

#include <cmath>
#include <cstdint>

#include "host/bounds.hpp"

namespace test {

/// The sum of y times its weights: of this, the weights are the gradient of y.
template <class T, int R>
double weighted(const tensor<T, R>& y, const tensor<T, R>& weights) {
  double s = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) s += static_cast<double>(y.data()[i]) * static_cast<double>(weights.data()[i]);
  return s;
}

/// `gradient` is that of f by the numbers of x, to 1e-6 of the larger of 1 and the slope.
template <int R, class F>
void check_gradient(const tensor<double, R>& x, const tensor<double, R>& gradient, F&& f, double h = 1e-5) {
  double worst = 0;
  std::int64_t where = -1;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double was = x.data()[i];
    x.data()[i] = was + h;
    const double above = f();
    x.data()[i] = was - h;
    const double below = f();
    x.data()[i] = was;
    const double slope = (above - below) / (2 * h), off = std::abs(slope - gradient.data()[i]) / (std::abs(slope) > 1 ? std::abs(slope) : 1);
    if (!(off <= worst)) worst = off, where = i;
  }
  INFO("the worst is number " << where);
  CHECK(worst < 1e-6);
}

}  // namespace test
