// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/numeric/fixed_sum.hpp>

#include "catch.hpp"
#include "host/bounds.hpp"

using namespace stretto;
using Catch::Matchers::Equals;

TEST_CASE("A run has as many blocks as begin in it") {
  CHECK(fixed_blocks(0) == 0);
  CHECK(fixed_blocks(1) == 1);
  CHECK(fixed_blocks(fixed_block) == 1);
  CHECK(fixed_blocks(fixed_block + 1) == 2);
}

TEST_CASE("A sum is that of its blocks, whoever sums them") {
  const tensor<float, 1> x = test::numbers<float, 1>({{5 * fixed_block + 17}}, 3);
  const double whole = reference::sum_of_squares(x).sum;
  for (std::int64_t cut = 0; cut <= 5; ++cut) {
    tensor<double, 1> sums({fixed_blocks(x.size())});
    reference::block_sums_of_squares(x.part(0, 0, cut * fixed_block), sums.part(0, 0, cut));
    reference::block_sums_of_squares(x.part(0, cut * fixed_block, x.size() - cut * fixed_block), sums.part(0, cut, sums.size() - cut));
    CHECK(add_in_order(sums) == whole);
    CHECK(add_in_order(sums.part(0, cut, sums.size() - cut), add_in_order(sums.part(0, 0, cut))) == whole);
  }
  double straight = 0;
  for (float v : x) straight += static_cast<double>(v) * static_cast<double>(v);
  CHECK(straight != whole);  // the order shows
  CHECK(whole == Catch::Approx(straight).epsilon(1e-12));
}

TEST_CASE("A plain sum is blocked, too") {
  const tensor<float, 1> x = test::numbers<float, 1>({{2 * fixed_block + 1}}, 4);
  tensor<double, 1> sums({3});
  reference::block_sums(x, sums);
  CHECK(sums[2] == static_cast<double>(x[2 * fixed_block]));
  CHECK(reference::fixed_sum(x) == (sums[0] + sums[1]) + sums[2]);
  CHECK(reference::fixed_sum(tensor<bf16, 1>({0})) == 0);
}

TEST_CASE("Of several runs the norm is that of one") {
  const tensor<double, 1> x = test::numbers<double, 1>({{9}}, 5);
  const tensor_view<double, 1> runs[] = {x.part(0, 0, 2), x.part(0, 2, 0), x.part(0, 2, 7)};
  const gradient_size g = reference::gradient_norm<double>({runs, 3});
  double squares = 0;
  for (double v : x) squares += v * v;
  CHECK(g.norm == Catch::Approx(std::sqrt(squares)).epsilon(1e-14));
  CHECK_FALSE(g.found_not_finite);
}

TEST_CASE("What isn't finite is found, and a sum that is too large, too") {
  tensor<double, 1> x({5000});
  x[4999] = 1e200;
  CHECK(reference::sum_of_squares(x).sum == std::numeric_limits<double>::infinity());
  CHECK(reference::sum_of_squares(x).found_not_finite);
  x[4999] = 1e150;
  CHECK_FALSE(reference::sum_of_squares(x).found_not_finite);
  x[4999] = 1.2e154;
  const tensor_view<double, 1> twice[] = {x, x};
  CHECK_FALSE(reference::gradient_norm<double>({twice, 1}).found_not_finite);
  CHECK(reference::gradient_norm<double>({twice, 2}).found_not_finite);
  x[4500] = -std::numeric_limits<double>::infinity();
  CHECK(reference::sum_of_squares(x).found_not_finite);
  x[4500] = std::numeric_limits<double>::quiet_NaN();
  CHECK(reference::sum_of_squares(x).found_not_finite);
}

TEST_CASE("Clipping leaves short gradients alone") {
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(0, 1) == 1);
  CHECK(clip_factor(4, 1) == Catch::Approx(0.25).epsilon(1e-6));
  CHECK(clip_factor(std::numeric_limits<double>::infinity(), 1) == 0);
  CHECK(std::isnan(clip_factor(std::numeric_limits<double>::quiet_NaN(), 1)));
}

TEST_CASE("Block sums need room for each block") {
  const tensor<float, 1> x({4097});
  tensor<double, 1> sums({1});
  CHECK_THROWS_WITH(reference::block_sums(x, sums), Equals("stretto: 4097 numbers have 2 block sums, and there is room for 1; give room for fixed_blocks(4097)"));
}
