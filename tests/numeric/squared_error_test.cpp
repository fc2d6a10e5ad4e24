// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/squared_error.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;

TEST_CASE("The squared error is the mean of each row, summed over rows") {
  tensor<double, 2> x({2, 2});
  tensor<float, 2> t({2, 2});
  x(0, 0) = 3, x(0, 1) = -1, x(1, 0) = 2, x(1, 1) = 4;
  t(0, 0) = 1, t(1, 1) = 1;
  CHECK(reference::squared_error(x, t) == (4.0 + 1 + 4 + 9) / 2);
  CHECK(reference::squared_error(tensor<double, 2>({0, 3}), tensor<float, 2>({0, 3})) == 0);
}

TEST_CASE("The gradient of a squared error is its slope, in place, too") {
  const auto x = test::numbers<double, 2>({{3, 5}}, 1);
  const auto t = test::numbers<float, 2>({{3, 5}}, 2);
  tensor<double, 2> dx(x.extents()), there = x;
  reference::squared_error_backward(x, t, 0.5, dx);
  test::check_gradient(x, dx, [&] { return 0.5 * reference::squared_error(x, t); });
  reference::squared_error_backward(there, t, 0.5, there);
  CHECK(test::same_bits(there, dx));
}
