// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <limits>
#include <vector>

#include <stretto/numeric/optimizer.hpp>

#include "catch.hpp"
#include "host/bounds.hpp"

using namespace stretto;
using Catch::Approx;

namespace {

/// A run of one number.
template <class T = double>
struct one {
  T value;
  operator tensor_view<T, 1>() { return {&value, {{1}}}; }
  operator tensor_view<const T, 1>() { return {&value, {{1}}}; }
  tensor_view<T, 1> run() { return *this; }
};

}  // namespace

TEST_CASE("SGD by hand") {
  one<> w{10}, g{2}, m{3};
  const optimizer_scalars s{.scale = 0.5};
  reference::sgd_step(g, {}, {}, w.run(), &s, {.rate = 0.1});
  CHECK(w.value == Approx(9.9).epsilon(1e-15));  // 10 - 0.1 * 1
  w.value = 10;
  reference::sgd_step(g, m, {}, w.run(), &s, {.rate = 0.1, .momentum = 0.5, .decay = 0.2});
  CHECK(m.value == Approx(4.5).epsilon(1e-15));  // 0.5 * 3 + 1 + 0.2 * 10
  CHECK(w.value == Approx(9.55).epsilon(1e-15));
  w.value = 10, m.value = 3;
  reference::sgd_step(g, m, {}, w.run(), &s, {.rate = 0.1, .momentum = 0.5, .nesterov = true});
  CHECK(m.value == Approx(2.5).epsilon(1e-15));
  CHECK(w.value == Approx(10 - 0.1 * (1 + 0.5 * 2.5)).epsilon(1e-15));
}

TEST_CASE("AdamW is what its authors wrote") {
  for (bool coupled : {false, true}) {
    const adamw_options o{.rate = 0.01, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .decay = 0.1, .coupled = coupled};
    one<> w{1.5}, g{0}, m{0}, v{0};
    double theta = 1.5, first = 0, second = 0;
    for (int t = 1; t <= 50; ++t) {
      g.value = std::sin(t);
      const optimizer_scalars s{.scale = 0.5, .rate = 1.0 / t, .count = t};
      reference::adamw_step(g, m, v, {}, w.run(), &s, o);
      const double d = 0.5 * std::sin(t) + (coupled ? 0.1 * theta : 0);
      first = 0.8 * first + 0.2 * d;
      second = 0.95 * second + 0.05 * d * d;
      const double step = first / (1 - std::pow(0.8, t)) / (std::sqrt(second / (1 - std::pow(0.95, t))) + 1e-3);
      theta -= 0.01 / t * (step + (coupled ? 0 : 0.1 * theta));
    }
    CHECK(w.value == Approx(theta).epsilon(1e-13));
    CHECK(m.value == Approx(first).epsilon(1e-13));
    CHECK(v.value == Approx(second).epsilon(1e-13));
  }
}

TEST_CASE("Lion goes one rate either way") {
  one<> w{1}, g{0.3}, m{-0.2};
  const optimizer_scalars s;
  reference::lion_step(g, m, {}, w.run(), &s, {.rate = 0.01, .beta1 = 0.5, .beta2 = 0.75, .decay = 0.5});
  CHECK(w.value == Approx(1 - 0.01 * (1 + 0.5)).epsilon(1e-15));
  CHECK(m.value == Approx(0.75 * -0.2 + 0.25 * 0.3).epsilon(1e-15));
  g.value = -0.3, m.value = 0.3;  // their mean is 0, and so is its sign
  w.value = 1;
  reference::lion_step(g, m, {}, w.run(), &s, {.rate = 0.01, .beta1 = 0.5, .beta2 = 0.75, .decay = 0});
  CHECK(w.value == 1);
}

TEST_CASE("A step that is skipped changes nothing") {
  one<> w{1}, g{std::numeric_limits<double>::infinity()}, m{2}, v{3};
  const optimizer_scalars s{.skip = 1};
  reference::adamw_step(g, m, v, {}, w.run(), &s);
  reference::sgd_step(g, m, {}, w.run(), &s, {.momentum = 0.9});
  reference::lion_step(g, m, {}, w.run(), &s);
  CHECK((w.value == 1 && m.value == 2 && v.value == 3));
}

TEST_CASE("Weights of 16 bits follow their masters") {
  one<float> master{1.001f}, g{1}, m{0}, v{0};
  bf16 w(1.0f);
  const optimizer_scalars s;
  for (int i = 0; i < 3; ++i) {
    const float before = master.value;
    reference::adamw_step(g, m, v, master, tensor_view<bf16, 1>(&w, {{1}}), &s);
    CHECK(master.value < before);
    CHECK(w.bits == bf16::round(master.value));
  }
  fp16 alone(1.0f);  // a step of a tenth of what fp16 can tell apart is lost
  reference::sgd_step(g, {}, {}, tensor_view<fp16, 1>(&alone, {{1}}), &s, {.rate = 1e-4});
  CHECK(static_cast<float>(alone) == 1.0f);
}

TEMPLATE_TEST_CASE("Rounding by chance gives a neighbour, and the number on average", "", bf16, fp16) {
  const random_stream r{.seed = 5};
  for (float x : {1.0f, -1.0f, 1.0003f, -3.14159f, 1e-3f, 3.3e-5f, -1.234e-6f, 4e-8f, 0.0f, -0.0f}) {
    const TestType nearest(x);
    const float near_by = static_cast<float>(nearest);
    double sum = 0;
    float low = 1e30f, high = -1e30f;
    constexpr int draws = 20000;
    for (int i = 0; i < draws; ++i) {
      const float y = static_cast<float>(round_by_chance<TestType>(x, r.bits(i)));
      sum += static_cast<double>(y);
      low = y < low ? y : low, high = y > high ? y : high;
    }
    CAPTURE(x, low, high);
    if (near_by == x) {
      CHECK((low == x && high == x));
    } else {
      CHECK((low < x && x < high));
      const double step = static_cast<double>(high) - static_cast<double>(low);
      CHECK(std::abs(sum / draws - static_cast<double>(x)) < 4 * 0.5 * step / std::sqrt(draws) + step / 8192);
      CHECK((low == near_by || high == near_by));
    }
  }
  CHECK(static_cast<float>(round_by_chance<fp16>(65519.0f, 0xffffffffu)) == std::numeric_limits<float>::infinity());
  const float infinite = std::numeric_limits<float>::infinity();
  for (std::uint32_t chance : {0u, 0xffffffffu}) {
    CHECK(static_cast<float>(round_by_chance<TestType>(-infinite, chance)) == -infinite);
    CHECK(std::isnan(static_cast<float>(round_by_chance<TestType>(std::numeric_limits<float>::quiet_NaN(), chance))));
    CHECK(std::isnan(static_cast<float>(round_by_chance<TestType>(std::bit_cast<float>(0xffffffffu), chance))));
  }
}

TEST_CASE("The chance of an element is that of its place in the parameter") {
  const weight_rounding whole{.stochastic = true, .seed = 3, .parameter = 7};
  weight_rounding part = whole;
  part.first_index = (std::int64_t{1} << 40) + 5;
  for (std::int64_t i = 0; i < 20; ++i) CHECK(part.chance(2, i) == whole.chance(2, part.first_index + i));
  std::vector<std::uint32_t> all;
  for (std::int64_t i = 0; i < 1000; ++i) all.push_back(whole.chance(2, i));
  int equal = 0;
  for (std::size_t i = 1; i < all.size(); ++i) equal += all[i] == all[i - 1] ? 1 : 0;
  CHECK(equal < 3);
  const weight_rounding last{.stochastic = true, .seed = 3, .parameter = 7, .first_index = INT64_MAX};
  CHECK(last.chance(2, 1) == weight_rounding{.stochastic = true, .seed = 3, .parameter = 7, .first_index = INT64_MIN}.chance(2, 0));
  CHECK(whole.chance(2, 0) != whole.chance(3, 0));
  CHECK(whole.chance(2, 0) != weight_rounding{.stochastic = true, .seed = 3, .parameter = 8}.chance(2, 0));
}
