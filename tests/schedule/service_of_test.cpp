// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catch.hpp"

#include <string>

#include <stretto/plan/lower.hpp>
#include <stretto/plan/render.hpp>
#include <stretto/schedule.hpp>

using namespace stretto;

TEST_CASE("the walk of a stream is a valid plan for any queue and placement") {
  for (int ranks = 1; ranks <= 6; ++ranks)
    for (int chunks = 1; chunks <= 3; ++chunks)
      for (int queue = 0; queue <= 4; ++queue) {
        const plan p = service_of(make_plan(forward_only{}, {.ranks = ranks, .micro_batches = ranks, .chunks = chunks}), queue);
        CHECK(p.micro_batches == queue + 1);
        CHECK(check(p).ok());
        CHECK(check(lower(p), links::buffered).ok());
      }
  const plan v = service_of(make_plan(zb_v{}, {.ranks = 3, .micro_batches = 6}), 1);
  CHECK(check(v).ok());
  CHECK(plan_view(v).route(0).rank_of(5) == 0);
}

TEST_CASE("a stream's rate is that of its slowest stage, and its latency what all stages take") {
  costs c(1);
  c.specials.push_back({scope::rank, 1, pass::forward, 3});
  c.specials.push_back({scope::rank, 2, pass::forward, 2});
  for (int queue : {0, 1, 4}) {
    const plan p = service_of(make_plan(forward_only{}, {.ranks = 3, .micro_batches = 1}), queue);
    const service_forecast f = foretell(p, c);
    CHECK(f.rate == Approx(1.0 / 3));
    CHECK(f.latency == Approx(6));
  }
}

TEST_CASE("a walk that can't be made is refused in a sentence") {
  const plan p = make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2});
  CHECK_THROWS_WITH(service_of(p, -1), "stretto: queues of -1 items are asked for; give 0 or more");
  CHECK_THROWS_WITH(service_of(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2, .slices = 2})),
                    "stretto: items come whole, and the plan to serve by has 2 slices; make one of whole micro-batches");
}
