// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/dropout.hpp>

#include "host/bounds.hpp"
#include "numeric/differences.hpp"

using namespace stretto;

TEST_CASE("the gradient of dropout is dropout") {
  const shape<2> s{{4, 9}};
  tensor<double, 2> x = test::numbers<double>(s, 1), y(s), dx(s);
  const tensor<double, 2> dy = test::numbers<double>(s, 2);
  const dropout_options o{.rate = 0.4, .stream = {1, 2, 0, 3}};
  reference::dropout(dy, dx, o);
  test::check_gradient<2>(x, dx, [&] {
    reference::dropout(x, y, o);
    return test::weighted(y, dy);
  });
}

TEST_CASE("dropout drops its share and keeps the mean") {
  for (double rate : {0.0, 0.1, 0.5, 0.9}) {
    const std::int64_t n = 40000;
    const tensor<float, 2> ones = test::numbers<float>(shape<2>{{n / 100, 100}}, 1, 1, 1);
    tensor<float, 2> y(ones.extents());
    reference::dropout(ones, y, {.rate = rate, .stream = {7, 0, 0, 0}});
    double kept = 0, mean = 0;
    for (std::int64_t i = 0; i < n; ++i) kept += y.data()[i] != 0 ? 1 : 0, mean += static_cast<double>(y.data()[i]) / static_cast<double>(n);
    const double sigma = std::sqrt(rate * (1 - rate) * static_cast<double>(n));
    CHECK(std::abs(kept - (1 - rate) * static_cast<double>(n)) <= 4 * sigma);
    CHECK(std::abs(mean - 1) <= 4 * sigma / (1 - rate) / static_cast<double>(n) + 1e-6);
  }
}

TEST_CASE("columns of dropout beyond 64 bits begin anew") {
  const tensor<float, 2> ones = test::numbers<float>(shape<2>{{1, 64}}, 1, 1, 1);
  tensor<float, 2> whole({1, 64}), part({1, 32});
  const std::int64_t first = INT64_MAX - 31;
  reference::dropout(ones, whole, {.rate = 0.5, .first_row = INT64_MAX, .first_column = first});
  reference::dropout(ones.columns(32, 32), part, {.rate = 0.5, .first_row = INT64_MAX, .first_column = INT64_MIN});
  CHECK(std::memcmp(whole.row(0) + 32, part.data(), 32 * sizeof(float)) == 0);
  CHECK(dropout_options{.first_row = INT64_MAX}.row(1) == INT64_MIN);
}

TEST_CASE("dropout differs by seed, step, layer and row") {
  const tensor<float, 2> ones = test::numbers<float>(shape<2>{{1, 64}}, 1, 1, 1);
  const auto with = [&](const dropout_options& o) {
    tensor<float, 2> y({1, 64});
    reference::dropout(ones, y, o);
    return y;
  };
  const auto y = with({.rate = 0.5, .stream = {1, 2, 0, 3}});
  CHECK(test::same_bits(y, with({.rate = 0.5, .stream = {1, 2, 9, 3}})));  // rows are its samples
  CHECK(!test::same_bits(y, with({.rate = 0.5, .stream = {2, 2, 0, 3}})));
  CHECK(!test::same_bits(y, with({.rate = 0.5, .stream = {1, 3, 0, 3}})));
  CHECK(!test::same_bits(y, with({.rate = 0.5, .stream = {1, 2, 0, 4}})));
  CHECK(!test::same_bits(y, with({.rate = 0.5, .stream = {1, 2, 0, 3}, .first_row = 1})));
}
