// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/squared_error.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

TEST_CASE("the squared error of a queue is that of plain loops, of columns with gaps, too") {
  test::each_type([](auto zero) {
    using T = decltype(zero);
    host::queue q({.scratch_bytes = 0});
    const auto all = test::numbers<T>(shape<2>{{4, 9}}, 1);
    const auto targets = test::numbers<float>(shape<2>{{4, 9}}, 2);
    const auto x = tensor_view<T, 2>(all).columns(2, 5);
    const auto t = tensor_view<float, 2>(targets).columns(1, 5);
    tensor<T, 2> dx({4, 5}), expected({4, 5});
    double sum = -1;
    host::squared_error(q, x, t, sum);
    CHECK(sum == reference::squared_error(x, t));
    host::squared_error_backward(q, x, t, 0.25, dx);
    reference::squared_error_backward(x, t, 0.25, expected);
    CHECK(test::same_bits(dx, expected));
  });
}

TEST_CASE("targets of another shape than the scores are refused") {
  host::queue q({.scratch_bytes = 0});
  const tensor<float, 2> x({2, 3}), t({3, 2});
  double sum = 0;
  CHECK_THROWS_WITH(host::squared_error(q, x, t, sum), "stretto: squared_error of scores of shape (2, 3) was given targets or a gradient of shape (3, 2); give them the same shape");
  CHECK_THROWS_WITH(host::squared_error_backward(q, x, x, 1, t),
                    "stretto: squared_error_backward of scores of shape (2, 3) was given targets or a gradient of shape (3, 2); give them the same shape");
}
