// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/layer_norm.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;
using Catch::Approx;

namespace {
constexpr shape<2> size{{3, 7}};
}

TEST_CASE("The layer norm by hand") {
  tensor<double, 2> x({1, 2}), y({1, 2}), s({1, 2});
  tensor<double, 1> w({2}), b({2}), m({1}), r({1});
  x(0, 0) = 1, x(0, 1) = 7;
  w[0] = 2, w[1] = 3, b[1] = 10;
  reference::layer_norm(x, w, b, y, m, r, {.epsilon = 16});  // variance 9
  CHECK(m[0] == 4);
  CHECK(r[0] == Approx(0.2));
  CHECK(y(0, 0) == Approx(-1.2));
  CHECK(y(0, 1) == Approx(11.8));
  reference::layer_norm(x, {}, {}, y, {}, {}, {.epsilon = 16});
  CHECK(y(0, 1) == Approx(0.6));
  reference::add_layer_norm(x, x, {}, {}, s, y, {}, {}, {.epsilon = 64});
  CHECK(s(0, 1) == 14);
  CHECK(y(0, 0) == Approx(-0.6));
}

TEST_CASE("Rows of a layer norm have mean 0 and variance 1, whatever is added to them") {
  const auto x = test::numbers<double, 2>(size, 1);
  tensor<double, 2> y(size), moved(size), again(size);
  for (std::int64_t i = 0; i < x.size(); ++i) moved.data()[i] = 5 * x.data()[i] - 100;
  reference::layer_norm(x, {}, {}, y, {}, {}, {.epsilon = 0});
  reference::layer_norm(moved, {}, {}, again, {}, {}, {.epsilon = 0});
  for (std::int64_t t = 0; t < 3; ++t) {
    double all = 0, squares = 0;
    for (std::int64_t i = 0; i < 7; ++i) all += y(t, i), squares += y(t, i) * y(t, i);
    CHECK(all == Approx(0).margin(1e-14));
    CHECK(squares == Approx(7));
  }
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(again.data()[i] == Approx(y.data()[i]));
}

TEST_CASE("The variance of float rows far from 0 keeps its digits") {
  tensor<float, 2> x({1, 64}), y({1, 64});
  for (std::int64_t i = 0; i < 64; ++i) x(0, i) = 4096.0f + (i % 2 == 0 ? 0.25f : -0.25f);
  reference::layer_norm(x, {}, {}, y, {}, {}, {.epsilon = 0});
  for (std::int64_t i = 0; i < 64; ++i) CHECK(y(0, i) == (i % 2 == 0 ? 1.0f : -1.0f));
}

TEST_CASE("Gradients of the layer norm are its slopes") {
  const auto x = test::numbers<double, 2>(size, 1), residual = test::numbers<double, 2>(size, 2), dy = test::numbers<double, 2>(size, 3), ds = test::numbers<double, 2>(size, 4);
  const auto w = test::numbers<double, 1>({{7}}, 5), b = test::numbers<double, 1>({{7}}, 6);
  const layer_norm_options o{.epsilon = 0.01};
  tensor<double, 2> s(size), y(size), dx(size);
  tensor<double, 1> m({3}), r({3}), dw({7}), db({7});
  const auto loss = [&] {
    reference::add_layer_norm(x, residual, w, b, s, y, m, r, o);
    return test::weighted(y, dy) + test::weighted(s, ds);
  };
  loss();
  reference::layer_norm_backward_input(s, w, m, r, dy, dx, {.residual_gradient = ds});
  reference::layer_norm_backward_weight(s, m, r, dy, dw, db);
  test::check_gradient(x, dx, loss);
  test::check_gradient(residual, dx, loss);
  test::check_gradient(w, dw, loss);
  test::check_gradient(b, db, loss);
  const tensor<double, 1> once = dw;
  reference::layer_norm_backward_weight(s, m, r, dy, dw);  // adds
  for (int i = 0; i < 7; ++i) CHECK(dw[i] == Approx(2 * once[i]));
}
