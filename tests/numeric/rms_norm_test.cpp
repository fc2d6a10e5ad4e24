// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/rms_norm.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;
using Catch::Approx;

namespace {
constexpr shape<2> size{{3, 7}};
}

TEST_CASE("The root mean square norm by hand") {
  tensor<double, 2> x({1, 2}), y({1, 2}), s({1, 2});
  tensor<double, 1> w({2}), r({1});
  x(0, 0) = 3, x(0, 1) = 4;
  w[0] = 2, w[1] = -1;
  reference::rms_norm(x, w, y, r, {.epsilon = 12.5});  // mean square 12.5
  CHECK(r[0] == Approx(0.2));
  CHECK(y(0, 0) == Approx(1.2));
  CHECK(y(0, 1) == Approx(-0.8));
  reference::rms_norm(x, w, y, {}, {.epsilon = 12.5, .weight_offset = 1});
  CHECK(y(0, 0) == Approx(1.8));
  CHECK(y(0, 1) == Approx(0).margin(1e-15));
  reference::rms_norm(x, {}, y, {}, {.epsilon = 12.5});
  CHECK(y(0, 1) == Approx(0.8));
  reference::add_rms_norm(x, x, {}, s, y, {}, {.epsilon = 50});
  CHECK(s(0, 1) == 8);
  CHECK(y(0, 1) == Approx(0.8));
}

TEST_CASE("Rows of a root mean square norm have that size, and its gradients leave it alone") {
  const auto x = test::numbers<double, 2>(size, 1), dy = test::numbers<double, 2>(size, 2);
  tensor<double, 2> y(size), dx(size), scaled(size), again(size);
  tensor<double, 1> r({3});
  reference::rms_norm(x, {}, y, r, {.epsilon = 0});
  reference::rms_norm_backward_input(x, {}, r, dy, dx);
  for (std::int64_t i = 0; i < x.size(); ++i) scaled.data()[i] = 10 * x.data()[i];
  reference::rms_norm(scaled, {}, again, {}, {.epsilon = 0});
  for (std::int64_t t = 0; t < 3; ++t) {
    double squares = 0, along = 0;
    for (std::int64_t i = 0; i < 7; ++i) squares += y(t, i) * y(t, i), along += dx(t, i) * x(t, i);
    CHECK(squares == Approx(7));
    CHECK(along == Approx(0).margin(1e-14));
  }
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(again.data()[i] == Approx(y.data()[i]));
}

TEST_CASE("Gradients of the root mean square norm are its slopes") {
  for (double offset : {0.0, 1.0}) {
    const auto x = test::numbers<double, 2>(size, 1), residual = test::numbers<double, 2>(size, 2), dy = test::numbers<double, 2>(size, 3), ds = test::numbers<double, 2>(size, 4);
    const auto w = test::numbers<double, 1>({{7}}, 5);
    const rms_norm_options o{.epsilon = 0.01, .weight_offset = offset};
    tensor<double, 2> s(size), y(size), dx(size);
    tensor<double, 1> r({3}), dw({7});
    const auto loss = [&] {
      reference::add_rms_norm(x, residual, w, s, y, r, o);
      return test::weighted(y, dy) + test::weighted(s, ds);
    };
    loss();
    reference::rms_norm_backward_input(s, w, r, dy, dx, {.weight_offset = offset, .residual_gradient = ds});
    reference::rms_norm_backward_weight(s, r, dy, dw);
    test::check_gradient(x, dx, loss);
    test::check_gradient(residual, dx, loss);
    test::check_gradient(w, dw, loss);
    const tensor<double, 1> once = dw;
    reference::rms_norm_backward_weight(s, r, dy, dw);  // adds
    for (int i = 0; i < 7; ++i) CHECK(dw[i] == Approx(2 * once[i]));
  }
}

TEST_CASE("Of bf16 statistics and gradients of weights are float") {
  const auto x = test::numbers<bf16, 2>(size, 1);
  tensor<bf16, 2> y(size);
  tensor<float, 1> r({3}), dw({7});
  reference::rms_norm(x, {}, y, r);
  reference::rms_norm_backward_weight(x, r, x, dw);
  float squares = 0;
  for (int i = 0; i < 7; ++i) squares += static_cast<float>(x(0, i)) * static_cast<float>(x(0, i));
  CHECK(r[0] == Approx(1 / std::sqrt(squares / 7 + 1e-5f)).epsilon(1e-6));
  CHECK(static_cast<float>(y(0, 0)) == static_cast<float>(static_cast<bf16>(static_cast<float>(x(0, 0)) * r[0])));
}
