// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>

#include <stretto/host/gradient_norm.hpp>

#include "bounds.hpp"
#include "catch.hpp"

using namespace stretto;
using Catch::Approx;
using Catch::Matchers::Equals;

namespace {

constexpr std::int64_t sizes[] = {0, 1, 15, 17, 61, 4095, 4096, 4097, 3 * 4096 + 83, 50021};

}  // namespace

TEMPLATE_TEST_CASE("The sum of squares is near that in double", "", float, bf16, fp16) {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level, .scratch_bytes = 0});
    for (std::int64_t n : sizes) {
      const tensor<TestType, 1> all = test::numbers<TestType, 1>({{n + 1}}, 1);
      const tensor_view<TestType, 1> x = all.part(0, 1, n);  // not where a vector would begin
      const square_sum got = host::sum_of_squares(q, x);
      CAPTURE(n, host::isa_name(level));
      CHECK(got.sum == Approx(reference::sum_of_squares(x).sum).epsilon(1e-6));
      CHECK_FALSE(got.found_not_finite);
    }
  }
}

TEST_CASE("The sum of squares is the same with any number of threads, and whoever sums the blocks") {
  const tensor<float, 1> x = test::numbers<float, 1>({{9 * fixed_block + 5}}, 2);
  for (host::isa level : test::levels()) {
    host::queue one({.most = level}), two({.threads = 2, .most = level}), three({.threads = 3, .most = level});
    const double sum = host::sum_of_squares(one, x).sum;
    CHECK(host::sum_of_squares(two, x).sum == sum);
    CHECK(host::sum_of_squares(three, x).sum == sum);
    tensor<double, 1> sums({10});
    host::block_sums_of_squares(two, x.part(0, 4 * fixed_block, x.size() - 4 * fixed_block), sums.part(0, 4, 6));
    host::block_sums_of_squares(one, x.part(0, 0, 4 * fixed_block), sums.part(0, 0, 4));
    CHECK(add_in_order(sums) == sum);
  }
}

TEST_CASE("Of a run with more blocks than are kept at a time the sum is in order, too") {
  tensor<bf16, 1> x({2049 * fixed_block + 1});
  for (std::int64_t b = 0; b <= 2049; ++b) x[b * fixed_block] = bf16(static_cast<float>(b % 7));
  host::queue q({.threads = 2});
  tensor<double, 1> sums({2050});
  host::block_sums_of_squares(q, x, sums);
  CHECK(host::sum_of_squares(q, x).sum == add_in_order(sums));
  CHECK(sums[2049] == 25);
}

TEST_CASE("What isn't finite is found by the sum of squares, and large numbers don't pass for it") {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    tensor<float, 1> x({5003});
    x[4999] = -1e30f;
    CHECK(host::sum_of_squares(q, x).sum == Approx(1e60).epsilon(1e-6));
    CHECK_FALSE(host::sum_of_squares(q, x).found_not_finite);
    for (float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
      for (std::int64_t at : {0, 4097, 5002}) {
        tensor<float, 1> y = x;
        y[at] = bad;
        CHECK(host::sum_of_squares(q, y).found_not_finite);
      }
    tensor<fp16, 1> z({70});
    z[69] = fp16(1e9f);
    CHECK(host::sum_of_squares(q, z).found_not_finite);
  }
}

TEST_CASE("The norm of several runs adds them in order") {
  host::queue q;
  const tensor<float, 1> x = test::numbers<float, 1>({{10000}}, 5);
  const tensor_view<float, 1> runs[] = {x.part(0, 0, 5000), x.part(0, 5000, 0), x.part(0, 5000, 5000)};
  const gradient_size g = host::gradient_norm<float>(q, {runs, 3});
  CHECK(g.norm == std::sqrt(host::sum_of_squares(q, runs[0]).sum + host::sum_of_squares(q, runs[2]).sum));
  CHECK(g.norm == Approx(reference::gradient_norm<float>({runs, 3}).norm).epsilon(1e-6));
  const tensor<double, 1> d = test::numbers<double, 1>({{5000}}, 6);
  const tensor_view<double, 1> wide[] = {d};
  CHECK(host::gradient_norm<double>(q, {wide, 1}).norm == reference::gradient_norm<double>({wide, 1}).norm);
  d[17] = 1e200;
  CHECK(host::sum_of_squares<double>(q, d).found_not_finite);
  CHECK(host::gradient_norm<double>(q, {wide, 1}).found_not_finite);
  d[17] = 1.2e154;
  const tensor_view<double, 1> twice[] = {d, d};
  CHECK_FALSE(host::gradient_norm<double>(q, {twice, 1}).found_not_finite);
  CHECK(host::gradient_norm<double>(q, {twice, 2}).found_not_finite);
  x[7000] = std::numeric_limits<float>::quiet_NaN();
  CHECK(host::gradient_norm<float>(q, {runs, 3}).found_not_finite);
}

TEST_CASE("Block sums of squares need room for each block") {
  host::queue q;
  const tensor<float, 1> x({4097});
  tensor<double, 1> sums({3});
  CHECK_THROWS_WITH(host::block_sums_of_squares(q, x, sums), Equals("stretto: 4097 numbers have 2 block sums, and there is room for 3; give room for fixed_blocks(4097)"));
}
