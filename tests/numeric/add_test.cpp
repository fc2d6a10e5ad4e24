// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/add.hpp>

#include "host/bounds.hpp"
#include "numeric/differences.hpp"

using namespace stretto;

TEST_CASE("the gradient of a bias is what differences say") {
  const shape<2> s{{5, 3}};
  const tensor<double, 2> x = test::numbers<double>(s, 1), dy = test::numbers<double>(s, 2);
  tensor<double, 1> bias = test::numbers<double>(shape<1>{{3}}, 3), dbias({3});
  tensor<double, 2> y(s);
  reference::bias_gradient(dy, dbias);
  test::check_gradient<1>(bias, dbias, [&] {
    reference::add_bias(x, bias, y);
    return test::weighted(y, dy);
  });
}

TEST_CASE("sums of matrices by hand, and onto one of them") {
  tensor<double, 2> x = test::numbers<double>(shape<2>{{2, 3}}, 1), r = test::numbers<double>(shape<2>{{2, 3}}, 2), y({2, 3});
  reference::add(x, r, y);
  for (int i = 0; i < 6; ++i) CHECK(y.data()[i] == x.data()[i] + r.data()[i]);
  reference::add(x, r, x);
  CHECK(test::same_bits(x, y));
}
