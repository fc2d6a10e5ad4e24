// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>

#include <stretto/numeric/muon.hpp>

#include "catch.hpp"
#include "host/bounds.hpp"

using namespace stretto;
using Catch::Approx;

namespace {

/// What five steps make of one singular value.
double grown(double s) {
  for (int i = 0; i < 5; ++i) s = 3.4445 * s - 4.7750 * s * s * s + 2.0315 * s * s * s * s * s;
  return s;
}

}  // namespace

TEST_CASE("Of a diagonal matrix each singular value goes its own way") {
  for (bool tall : {false, true}) {
    tensor<double, 2> x(tall ? shape<2>{5, 3} : shape<2>{3, 5});
    const double values[] = {0.8, -0.5, 0.01};
    for (int i = 0; i < 3; ++i) x(i, i) = values[i];
    reference::orthogonalize<double>(x, 5);
    for (std::int64_t i = 0; i < x.rows(); ++i)
      for (std::int64_t j = 0; j < x.columns(); ++j) CHECK(x(i, j) == Approx(i == j ? grown(values[i]) : 0).epsilon(1e-12).margin(1e-15));
  }
  for (double s = 0.005; s <= 1; s += 0.005) CHECK((grown(s) > 0.65 && grown(s) < 1.25));
}

TEST_CASE("What Muon makes of a matrix turns with it") {
  // Rows turned by an angle: the result is the result, turned.
  const tensor<double, 2> x = test::numbers<double, 2>({{2, 4}}, 1, -0.3, 0.3);
  tensor<double, 2> turned({2, 4}), y = x;
  const double c = std::cos(0.7), s = std::sin(0.7);
  for (int j = 0; j < 4; ++j) turned(0, j) = c * x(0, j) - s * x(1, j), turned(1, j) = s * x(0, j) + c * x(1, j);
  reference::orthogonalize<double>(turned, 5);
  reference::orthogonalize<double>(y, 5);
  for (int j = 0; j < 4; ++j) {
    CHECK(turned(0, j) == Approx(c * y(0, j) - s * y(1, j)).epsilon(1e-10));
    CHECK(turned(1, j) == Approx(s * y(0, j) + c * y(1, j)).epsilon(1e-10));
  }
}

TEST_CASE("A step of Muon by hand") {
  tensor<double, 2> w({1, 2}), g({1, 2}), m({1, 2});
  w(0, 0) = 1, g(0, 0) = 3, g(0, 1) = 4, m(0, 0) = 6, m(0, 1) = 8;
  const optimizer_scalars s{.scale = 2, .rate = 0.5};
  reference::muon_step(g, m, {}, tensor_view<double, 2>(w), &s, {.rate = 0.1, .momentum = 0.5, .decay = 0.2});
  CHECK(m(0, 0) == Approx(9));  // 0.5 * 6 + 2 * 3
  CHECK(w(0, 0) == Approx(1 - 0.05 * (0.6 * grown(1) + 0.2)).epsilon(1e-7));
  CHECK(w(0, 1) == Approx(-0.05 * 0.8 * grown(1)).epsilon(1e-7));
  const muon_options plain, like{.size_of_adamw = true};
  CHECK(plain.size(4, 16) == 1);
  CHECK(plain.size(16, 4) == 2);
  CHECK(like.size(16, 25) == Approx(1));
}

TEST_CASE("A gradient of nothing moves nothing") {
  tensor<double, 2> w({2, 3}), g({2, 3}), m({2, 3});
  w(1, 1) = 5;
  const optimizer_scalars s;
  reference::muon_step(g, m, {}, tensor_view<double, 2>(w), &s);
  CHECK((w(1, 1) == 5 && w(0, 0) == 0));
}
