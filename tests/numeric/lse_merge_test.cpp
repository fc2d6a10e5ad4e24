// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/lse_merge.hpp>

#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/tensor/tensor.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

constexpr double none = -std::numeric_limits<double>::infinity();

using state = lse_state<double>;

/// States with scores from -size to size; every fifth has seen nothing.
std::vector<state> states(int n, double size, unsigned seed) {
  std::vector<state> all;
  const random_stream r{seed, 0, 0, 0};
  for (int i = 0; i < n; ++i) {
    if (i % 5 == 3) all.push_back({});
    else all.push_back({2 * static_cast<double>(r.uniform(2 * i)) - 1, size * (2 * static_cast<double>(r.uniform(2 * i + 1)) - 1)});
  }
  return all;
}

bool near_each_other(const state& a, const state& b, double bound = 1e-14) {
  const double size = std::abs(b.lse) > 1 ? std::abs(b.lse) : 1;
  return std::abs(a.output - b.output) <= bound && (a.lse == b.lse || std::abs(a.lse - b.lse) <= bound * size);
}

/// All at once: the largest score is taken off, sums in order.
state at_once(const std::vector<state>& all) {
  double largest = none, sum = 0, output = 0;
  for (const state& s : all) largest = s.lse > largest ? s.lse : largest;
  if (largest == none) return {};
  for (const state& s : all) sum += std::exp(s.lse - largest), output += std::exp(s.lse - largest) * s.output;
  return {output / sum, largest + std::log(sum)};
}

}  // namespace

TEST_CASE("Merging with nothing changes nothing, to the bit") {
  for (const state& s : states(50, 1e4, 1)) {
    CHECK(merge(s, state{}) == s);
    CHECK(merge(state{}, s) == s);
  }
  CHECK(merge(state{}, state{}) == state{});
  const state infinite{std::numeric_limits<double>::infinity(), 3};  // nothing is multiplied by a weight of nothing
  CHECK(merge(infinite, state{}) == infinite);
  CHECK(merge(state{}, infinite) == infinite);
}

TEST_CASE("Merging is commutative and associative") {
  for (double size : {0.1, 3.0, 40.0, 1e4}) {
    const auto a = states(40, size, 2), b = states(40, size, 3), c = states(40, size, 4);
    for (unsigned i = 0; i < a.size(); ++i) {
      CHECK(near_each_other(merge(a[i], b[i]), merge(b[i], a[i]), 1e-15));
      CHECK(near_each_other(merge(merge(a[i], b[i]), c[i]), merge(a[i], merge(b[i], c[i]))));
    }
  }
}

TEST_CASE("Parts merged in any order are the softmax at once") {
  for (double size : {0.1, 3.0, 40.0, 1e4}) {
    std::vector<state> all = states(23, size, 5);
    const state truth = at_once(all);
    const random_stream r{6, 0, 0, 0};
    for (int round = 0; round < 40; ++round) {
      state s;
      for (const state& part : all) s = merge(s, part);
      CHECK(near_each_other(s, truth, 3e-15 * 5));
      for (unsigned i = 1; i < all.size(); ++i) std::swap(all[i], all[r.bits(round * 100 + static_cast<int>(i)) % (i + 1)]);
    }
  }
}

TEST_CASE("Large logarithms stay finite") {
  for (double a : {-1e4, 0.0, 1e4, 1e300})
    for (double b : {-1e4, 0.0, 1e4, -1e300}) {
      const state s = merge(state{1, a}, state{-1, b});
      CHECK(std::isfinite(s.output));
      CHECK(std::isfinite(s.lse));
      CHECK(std::abs(s.output) <= 1);
    }
  const lse_state<float> s = merge(lse_state<float>{1, 1e4f}, lse_state<float>{3, 1e4f});
  CHECK(s.output == 2);
  CHECK(s.lse == Catch::Approx(1e4 + std::log(2.0)));
}

TEST_CASE("In float the error is a few units in the last place") {
  for (double size : {0.1, 3.0, 40.0}) {
    std::vector<state> all = states(23, size, 7);
    lse_state<float> s;
    for (state& part : all) {
      const lse_state<float> rounded{static_cast<float>(part.output), static_cast<float>(part.lse)};
      part = {static_cast<double>(rounded.output), static_cast<double>(rounded.lse)};
      s = merge(s, rounded);
    }
    const state truth = at_once(all);
    CHECK(std::abs(static_cast<double>(s.output) - truth.output) < 8 * 6e-8);
    CHECK(std::abs(static_cast<double>(s.lse) - truth.lse) < 8 * 6e-8 * (1 + std::abs(truth.lse)));
  }
}

TEST_CASE("What is no number stays so") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(merge(state{1, nan}, state{1, 0}).lse));
  CHECK(std::isnan(merge(state{1, 0}, state{1, nan}).output));
  CHECK(std::isnan(merge(state{nan, 0}, state{1, 0}).output));
  CHECK(std::isnan(merge(state{nan, 0}, state{}).output));
}

TEST_CASE("States merge at compile time") {
  constexpr state s = merge(state{1, 0}, state{2, 0});
  static_assert(s.output == 1.5);
  static_assert(s.lse > 0.693147180559945 && s.lse < 0.693147180559946);
  static_assert(merge(state{}, state{4, 5}) == state{4, 5});
  constexpr double differences[] = {-0.1, -1, -3.7, -20, -300, -744, -746, -1e5};
  constexpr auto weights = [] {
    fixed_array<lse_weight<double>, 8> w{};
    constexpr double d[] = {-0.1, -1, -3.7, -20, -300, -744, -746, -1e5};
    for (int i = 0; i < 8; ++i) w[i] = weigh(7.0, 7.0 + d[i]);
    return w;
  }();
  for (int i = 0; i < 8; ++i) {
    const auto w = weigh(7.0, 7.0 + differences[i]);
    CHECK(weights[i].weight == Catch::Approx(w.weight).epsilon(1e-14));
    CHECK(std::abs(weights[i].lse - w.lse) <= 1e-15 * w.lse);
  }
}

TEST_CASE("Rows of outputs merge") {
  const shape<3> s{{3, 2, 5}};
  tensor<double, 3> a(s), b(s), zero(s);
  tensor<double, 2> la({3, 2}), lb({3, 2});
  const random_stream r{8, 0, 0, 0};
  for (int i = 0; i < a.size(); ++i) a.data()[i] = static_cast<double>(r.uniform(i)), b.data()[i] = static_cast<double>(r.uniform(100 + i));
  for (int i = 0; i < la.size(); ++i) la.data()[i] = i == 1 || i == 4 ? none : 5 * static_cast<double>(r.uniform(200 + i)), lb.data()[i] = i == 2 || i == 4 ? none : 3;
  tensor<double, 3> got = a;
  tensor<double, 2> lse = la;
  merge_into(got, lse, b, lb);
  for (int i = 0; i < 3; ++i)
    for (int h = 0; h < 2; ++h)
      for (int k = 0; k < 5; ++k) CHECK(merge(state{a(i, h, k), la(i, h)}, state{b(i, h, k), lb(i, h)}) == state{got(i, h, k), lse(i, h)});
  CHECK_THROWS_WITH(merge_into(got, lse, tensor<double, 3>({3, 2, 4}), lb),
                    "stretto: outputs of shape (3, 2, 5) with lse of (3, 2) don't merge with (3, 2, 4) with lse of (3, 2); give outputs of one shape, and one lse a token and head");
  CHECK_THROWS(merge_into(got, lse, b, tensor<double, 2>({2, 2})));
}
