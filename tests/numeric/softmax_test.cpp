// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/numeric/softmax.hpp>

#include "catch.hpp"
#include "differences.hpp"

using namespace stretto;
using Catch::Approx;

namespace {
constexpr shape<2> size{{3, 7}};
}

TEST_CASE("The softmax by hand") {
  tensor<double, 2> x({1, 3}), y({1, 3});
  tensor<double, 1> l({1});
  x(0, 0) = 0, x(0, 1) = 1000 * std::log(2.0), x(0, 2) = -std::numeric_limits<double>::infinity();
  reference::softmax(x, y, l, {.scale = 0.001});
  CHECK(y(0, 0) == Approx(1.0 / 3));
  CHECK(y(0, 1) == Approx(2.0 / 3));
  CHECK(y(0, 2) == 0);
  CHECK(l[0] == Approx(std::log(3.0)));
  reference::softmax(x, y, {}, {.scale = 0.001, .log = true});
  CHECK(y(0, 0) == Approx(-std::log(3.0)));
  CHECK(y(0, 2) == x(0, 2));
}

TEST_CASE("A softmax adds up to 1, and gradients through it to 0, whatever is added to its numbers") {
  const auto x = test::numbers<double, 2>(size, 1, -3, 3), dy = test::numbers<double, 2>(size, 2);
  tensor<double, 2> y(size), again(size), moved(size), dx(size);
  tensor<double, 1> l({3}), far_off({3});
  for (std::int64_t i = 0; i < x.size(); ++i) moved.data()[i] = x.data()[i] + 1000;
  reference::softmax(x, y, l);
  reference::softmax(moved, again, far_off);
  reference::softmax_backward(y, dy, dx);
  for (std::int64_t t = 0; t < 3; ++t) {
    double all = 0, changes = 0;
    for (std::int64_t i = 0; i < 7; ++i) all += y(t, i), changes += dx(t, i);
    CHECK(all == Approx(1));
    CHECK(changes == Approx(0).margin(1e-15));
    CHECK(far_off[t] == Approx(l[t] + 1000));
  }
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(again.data()[i] == Approx(y.data()[i]));
}

TEST_CASE("Gradients of softmax are its slopes") {
  for (bool log : {false, true}) {
    const auto x = test::numbers<double, 2>(size, 1, -3, 3), dy = test::numbers<double, 2>(size, 2);
    const softmax_options o{.scale = 0.7, .log = log};
    tensor<double, 2> y(size), dx(size);
    const auto loss = [&] { return reference::softmax(x, y, {}, o), test::weighted(y, dy); };
    loss();
    reference::softmax_backward(y, dy, dx, o);
    test::check_gradient(x, dx, loss);
  }
}

TEST_CASE("A row of minus infinities has no softmax") {
  tensor<float, 2> x({1, 3}), y({1, 3});
  tensor<float, 1> l({1});
  for (float& v : x) v = -std::numeric_limits<float>::infinity();
  reference::softmax(x, y, l);
  CHECK(std::isnan(y(0, 1)));
  CHECK(l[0] == x(0, 0));
}
