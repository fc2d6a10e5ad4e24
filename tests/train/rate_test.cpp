// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rates at the joints of each schedule, and along the way.
#include <cmath>
#include <cstdint>
#include <limits>

#include <stretto/train/rate.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

Catch::Approx nearly(double x) { return Catch::Approx(x).epsilon(1e-13).margin(1e-16); }

}  // namespace

TEST_CASE("a warm-up rises by the same amount each step and reaches the rate in its last one") {
  for (const rate_kind k : {rate_kind::constant, rate_kind::linear, rate_kind::cosine, rate_kind::wsd, rate_kind::inverse_sqrt}) {
    const rate_schedule r{.kind = k, .rate = 0.8, .warmup = 4, .steps = 24};
    INFO(name_of(k));
    CHECK(r(0) == nearly(0.2));
    CHECK(r(1) == nearly(0.4));
    CHECK(r(2) == nearly(0.6));
    CHECK(r(3) == 0.8);
    CHECK(r(4) <= 0.8);
    CHECK(r(4) > 0.7);
  }
}

TEST_CASE("the constant rate is constant, and so is a schedule that says nothing") {
  CHECK(rate_schedule{}(0) == 1e-3);
  CHECK(rate_schedule{.rate = 0.5}(1000000000000) == 0.5);
  CHECK(rate_schedule{.rate = 0}(7) == 0);
}

TEST_CASE("the linear rate at its joints") {
  const rate_schedule r{.kind = rate_kind::linear, .rate = 2, .warmup = 10, .steps = 110, .final_fraction = 0.1};
  CHECK(r(9) == 2);
  CHECK(r(10) == 2);
  CHECK(r(60) == nearly(1.1));
  CHECK(r(109) == nearly(2 * (1 - 0.9 * 0.99)));
  CHECK(r(110) == nearly(0.2));
  CHECK(r(5000) == nearly(0.2));
}

TEST_CASE("the cosine rate at its joints") {
  const rate_schedule r{.kind = rate_kind::cosine, .rate = 2, .warmup = 10, .steps = 110, .final_fraction = 0.1};
  CHECK(r(10) == 2);
  CHECK(r(35) == nearly(2 * (0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5)))));
  CHECK(r(60) == nearly(1.1));
  CHECK(r(110) == nearly(0.2));
  CHECK(r(111) == nearly(0.2));
  CHECK(rate_schedule{.kind = rate_kind::cosine, .rate = 1, .steps = 4}(0) == 1);
}

TEST_CASE("the rate of wsd is flat and then falls like a root") {
  const rate_schedule r{.kind = rate_kind::wsd, .rate = 1, .warmup = 10, .steps = 1000, .final_fraction = 0.2};
  CHECK(r.decay_start() == 800);
  CHECK(r(10) == 1);
  CHECK(r(800) == 1);
  CHECK(r(801) == nearly(1 - 0.8 * std::sqrt(1 / 200.0)));
  CHECK(r(850) == nearly(0.6));
  CHECK(r(1000) == nearly(0.2));
  CHECK(r(2000) == nearly(0.2));
  CHECK(rate_schedule{.kind = rate_kind::wsd, .rate = 1, .steps = 7, .decay_share = 0}(6) == 1);
}

TEST_CASE("the rate of the inverse square root goes on from the warm-up") {
  const rate_schedule r{.kind = rate_kind::inverse_sqrt, .rate = 1, .warmup = 100, .final_fraction = 0.05};
  CHECK(r(99) == 1);
  CHECK(r(100) == nearly(std::sqrt(100 / 101.0)));
  CHECK(r(399) == nearly(0.5));
  CHECK(r(1000000) == nearly(0.05));
  CHECK(rate_schedule{.kind = rate_kind::inverse_sqrt, .rate = 1}(3) == nearly(0.5));
}

TEST_CASE("no rate is ever above the largest, and none rises behind the warm-up") {
  for (const rate_kind k : {rate_kind::constant, rate_kind::linear, rate_kind::cosine, rate_kind::wsd, rate_kind::inverse_sqrt}) {
    const rate_schedule r{.kind = k, .rate = 3, .warmup = 7, .steps = 100, .final_fraction = 0.1};
    for (int s = 0; s < 120; ++s) {
      REQUIRE((r(s) > 0 && r(s) <= 3));
      if (s >= 7) REQUIRE(r(s) <= r(s - 1));
    }
  }
}

TEST_CASE("a schedule of rates is found by its name") {
  for (const rate_kind k : {rate_kind::constant, rate_kind::linear, rate_kind::cosine, rate_kind::wsd, rate_kind::inverse_sqrt}) CHECK(rate_kind_of(name_of(k)) == k);
  CHECK_THROWS_WITH(rate_kind_of("cos"), "stretto: there is no schedule of rates 'cos'; choose from constant, linear, cosine, wsd and inverse_sqrt");
}

TEST_CASE("numbers that make no rate are refused") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(rate_schedule{}(-1), "stretto: the rate of step -1 is asked for; steps count from 0");
  for (const double rate : {-1.0, nan, std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(rate_schedule{.rate = rate}(0), "stretto: rate_schedule::rate is below 0 or no number; give the largest rate");
  CHECK_THROWS_WITH(rate_schedule{.warmup = -1}(0), "stretto: rate_schedule has -1 steps of warm-up and 0 in all; give 0 to 4503599627370496 of each");
  CHECK_THROWS_AS((rate_schedule{.kind = rate_kind::wsd, .steps = INT64_MAX}(0)), error);
  for (const double f : {-0.1, 1.1, nan}) {
    CHECK_THROWS_WITH(rate_schedule{.final_fraction = f}(0), "stretto: rate_schedule::final_fraction isn't from 0 to 1; give the share of the rate that is left at the end");
    CHECK_THROWS_WITH(rate_schedule{.decay_share = f}(0), "stretto: rate_schedule::decay_share isn't from 0 to 1; give the share of the steps that the decay takes");
  }
  CHECK_THROWS_WITH(rate_schedule{.kind = static_cast<rate_kind>(9)}(0), "stretto: rate_schedule::kind is none of those there are; use one of rate_kind");
  CHECK_THROWS_WITH((rate_schedule{.kind = rate_kind::cosine}(0)), "stretto: schedule cosine of rates has 0 steps and 0 of them to warm up; give rate_schedule::steps, and more of them");
  CHECK_THROWS_WITH((rate_schedule{.kind = rate_kind::wsd, .warmup = 90, .steps = 100}(0)), "stretto: schedule wsd of rates begins to decay in step 80, while it warms up until step 90; lower decay_share or warmup");
}
