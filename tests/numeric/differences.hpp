// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Gradients held to central differences: (f(x + h) - f(x - h)) / 2h, for each number of x in turn.
#pragma once

#include <cmath>
#include <cstdint>

#include "host/bounds.hpp"

namespace test {

/// The largest error of `gradient`, in units of the larger of 1 and what the differences say.
template <int R, class F>
double gradient_error(const tensor<double, R>& x, const tensor<double, R>& gradient, F&& f, double h = 1e-5) {
  double worst = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double was = x.data()[i];
    x.data()[i] = was + h;
    const double above = f();
    x.data()[i] = was - h;
    const double below = f();
    x.data()[i] = was;
    const double slope = (above - below) / (2 * h), off = std::abs(slope - gradient.data()[i]) / (std::abs(slope) > 1 ? std::abs(slope) : 1);
    worst = !(off <= worst) ? off : worst;
  }
  return worst;
}

/// The sum of products, whose gradient by the second is the first.
template <int R>
double inner_product(const tensor<double, R>& a, const tensor<double, R>& b) {
  double s = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) s += a.data()[i] * b.data()[i];
  return s;
}

}  // namespace test
