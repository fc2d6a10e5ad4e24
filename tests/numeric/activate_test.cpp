// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/activate.hpp>

#include "host/bounds.hpp"
#include "numeric/differences.hpp"

using namespace stretto;
using Catch::Approx;

TEST_CASE("slopes of activations are what differences say") {
  for (int k = 0; k < activations; ++k) {
    const auto kind = static_cast<activation>(k);
    INFO(activation_name(kind));
    tensor<double, 2> x = test::numbers<double>(shape<2>{{3, 11}}, 1, -5, 5), y(x.extents()), dx(x.extents());
    const tensor<double, 2> dy = test::numbers<double>(shape<2>{{3, 11}}, 2);
    reference::activate_backward(x, dy, dx, kind);
    test::check_gradient<2>(x, dx, [&] {
      reference::activate(x, y, kind);
      return test::weighted(y, dy);
    });
  }
}

TEST_CASE("activations have the values of their formulas") {
  CHECK(reference::activated(activation::none, -2.5) == -2.5);
  CHECK(reference::activated(activation::relu, -2.5) == 0);
  CHECK(reference::activated(activation::relu, 2.5) == 2.5);
  CHECK(reference::activated(activation::relu_squared, 3.0) == 9);
  CHECK(reference::activated(activation::relu_squared, -3.0) == 0);
  CHECK(reference::activated(activation::gelu, 1.0) == Approx(0.8413447460685429));
  CHECK(reference::activated(activation::gelu_tanh, 1.0) == Approx(0.8411919906082768));
  CHECK(reference::activated(activation::silu, 1.0) == Approx(0.7310585786300049));
  CHECK(reference::activated(activation::tanh, 1.0) == Approx(0.7615941559557649));
  CHECK(reference::activated(activation::logistic, -1.0) == Approx(0.2689414213699951));
}

TEST_CASE("gelu, silu and tanh have the symmetries of their formulas") {
  for (double x = 0.25; x < 6; x += 0.25) {
    for (activation kind : {activation::gelu, activation::gelu_tanh, activation::silu}) {
      CHECK(reference::activated(kind, x) - reference::activated(kind, -x) == Approx(x));  // f(x) - f(-x) = x
      CHECK(reference::activation_slope(kind, x) + reference::activation_slope(kind, -x) == Approx(1.0));
    }
    CHECK(reference::activated(activation::tanh, x) == -reference::activated(activation::tanh, -x));
    CHECK(reference::activated(activation::logistic, x) + reference::activated(activation::logistic, -x) == Approx(1.0));
  }
}

TEST_CASE("slopes of activations are numbers however far") {
  const double inf = std::numeric_limits<double>::infinity();
  for (activation kind : {activation::relu, activation::gelu, activation::gelu_tanh, activation::silu, activation::tanh, activation::logistic})
    for (double x : {1e3, 1e10, 1e200, inf}) {
      INFO(activation_name(kind) << " at " << x);
      const bool bounded = kind == activation::tanh || kind == activation::logistic;
      CHECK(reference::activation_slope(kind, x) == (bounded ? 0.0 : 1.0));
      CHECK(reference::activation_slope(kind, -x) == 0.0);
    }
}

TEST_CASE("activations have names") {
  for (int k = 0; k < activations; ++k)
    for (int other = 0; other < k; ++other) CHECK(activation_name(static_cast<activation>(k)) != activation_name(static_cast<activation>(other)));
  CHECK(activation_name(activation::gelu_tanh) == "gelu_tanh");
}
