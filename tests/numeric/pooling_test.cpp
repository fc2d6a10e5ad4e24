// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/pooling.hpp>

#include "numeric/differences.hpp"

using namespace stretto;

namespace {

const pooling_options several[] = {{}, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}, {.window = {3, 2}, .stride = {1, 3}, .padding = {0, 1}, .counts_padding = true}};

}  // namespace

TEST_CASE("gradients of pooling are what differences say") {
  for (const pooling_options& o : several) {
    const shape<4> s{{2, 5, 6, 2}};
    tensor<double, 4> x = test::numbers<double>(s, 1), y(pooled(s, o)), dx(s);
    const tensor<double, 4> dy = test::numbers<double>(y.extents(), 2);
    REQUIRE(y.size() > 0);
    reference::max_pooling_backward(x, dy, dx, o);
    test::check_gradient<4>(x, dx, [&] {
      reference::max_pooling(x, y, o);
      return test::weighted(y, dy);
    });
    reference::average_pooling_backward(dy, dx, o);
    test::check_gradient<4>(x, dx, [&] {
      reference::average_pooling(x, y, o);
      return test::weighted(y, dy);
    });
  }
}

TEST_CASE("pooling by hand") {
  tensor<double, 4> x({1, 2, 4, 1}), y({1, 1, 2, 1}), dy({1, 1, 2, 1}), dx({1, 2, 4, 1});
  const double numbers[] = {1, 5, 7, 2, 5, -3, 0, 7};
  for (int i = 0; i < 8; ++i) x.data()[i] = numbers[i];
  reference::max_pooling(x, y);
  CHECK(y.data()[0] == 5);
  CHECK(y.data()[1] == 7);
  dy.data()[0] = 10, dy.data()[1] = 20;
  reference::max_pooling_backward(x, dy, dx);
  const double first[] = {0, 10, 20, 0, 0, 0, 0, 0};  // of those as large the first
  for (int i = 0; i < 8; ++i) CHECK(dx.data()[i] == first[i]);
  reference::average_pooling(x, y);
  CHECK(y.data()[0] == 2);
  CHECK(y.data()[1] == 4);
}

TEST_CASE("of an image without rows windows in the padding give 0") {
  const pooling_options o{.window = {2, 2}, .stride = {1, 1}, .padding = {1, 0}};
  const tensor<double, 4> x({1, 0, 3, 1});
  tensor<double, 4> y = test::numbers<double>(pooled(x.extents(), o), 1);
  REQUIRE(y.size() == 2);
  reference::max_pooling(x, y, o);
  for (double v : y) CHECK(v == 0);
  y = test::numbers<double>(y.extents(), 1);
  reference::average_pooling(x, y, o);
  for (double v : y) CHECK(v == 0);
}

TEST_CASE("averages count padding where they are told to") {
  tensor<double, 4> ones = test::numbers<double>(shape<4>{{1, 3, 3, 1}}, 1, 1, 1), y({1, 2, 2, 1});
  const pooling_options o{.window = {2, 2}, .stride = {2, 2}, .padding = {1, 1}};
  reference::average_pooling(ones, y, o);
  CHECK(y(0, 0, 0, 0) == 1);
  reference::average_pooling(ones, y, {.window = {2, 2}, .stride = {2, 2}, .padding = {1, 1}, .counts_padding = true});
  CHECK(y(0, 0, 0, 0) == 0.25);
  CHECK(y(0, 1, 1, 0) == 1);
}
