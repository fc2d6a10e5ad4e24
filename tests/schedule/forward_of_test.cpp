// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The forward passes of other plans.
#include "catch.hpp"

#include <stretto/stretto.hpp>

using namespace stretto;

TEST_CASE("the forward passes of every schedule's plan are a plan of their own, with the same places") {
  int plans = 0;
  all_schedules::each([&](auto schedule) {
    for (int chunks : {1, 2}) {
      plan whole;
      try {
        whole = make_plan(schedule, {.ranks = 4, .micro_batches = 8, .chunks = chunks});
      } catch (const error&) {
        continue;
      }
      for (int m : {0, 1, 5}) {
        const plan part = forward_of(whole, m);
        INFO(schedule.name << ", " << m);
        const verdict v = check(part);
        INFO(v.words.str());
        REQUIRE(v.ok());
        CHECK(part.micro_batches == (m > 0 ? m : 8));
        for (int i = 0; i < part.micro_batches; ++i)
          for (int s = 0; s < part.stages; ++s) CHECK(plan_view(part).route_of(i).rank_of(s) == plan_view(whole).route_of(i).rank_of(s));
        ++plans;
      }
    }
  });
  CHECK(plans > 40);
}

TEST_CASE("forward passes of micro-batches that a plan doesn't have are refused") {
  const plan p = make_plan(gpipe{}, {.ranks = 2, .micro_batches = 4});
  CHECK_THROWS_WITH(forward_of(p, 5), "stretto: the forward passes of 5 micro-batches are asked of a plan of 4; ask for 1 to 4, or 0 for all");
}
