// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The walk that a stream repeats for as long as items come: forward passes of queue + 1 items, over another plan's stages
// and ranks. An item is a micro-batch; between two stages lie up to `queue` items that wait.
//
//     service_of(order, 2)      rank 0 | F0 F1 F2 | F0 F1 F2 | …
//                               rank 1 |    F0 F1 F2 | F0 F1 F2 | …
// Why it can't get stuck: a walk is checked as any plan is, and nothing in it waits for a later walk. What it waits for of
// the walk before (a box that is empty again, an object that is back) comes when that one ends. So all of them end.
// A plan with several stages a rank does each stage for all items of a walk before the next one.
#pragma once

#include <stretto/plan/draft.hpp>
#include <stretto/plan/simulate.hpp>

namespace stretto::inline v0 {

/// Every item makes the way of the plan's first micro-batch.
inline plan service_of(const plan_view& p, int queue = 1) {
  if (queue < 0) throw error(text("stretto: queues of ", queue, " items are asked for; give 0 or more").str());
  if (p.slices != 1) throw error(text("stretto: items come whole, and the plan to serve by has ", p.slices, " slices; make one of whole micro-batches").str());
  draft d;
  d.kinds = inference();
  d.stage_count = p.stages, d.micro_batch_count = queue + 1, d.slice_count = 1;
  const route_view r = p.route_of(0);
  d.hops_of.emplace_back();
  for (int s = r.first(); s >= 0; s = r.next(s)) d.hops_of.back().push_back({s, r.rank_of(s)});
  for (int m = 0; m <= queue; ++m) d.route_index.push_back(0);
  for (int rank = 0; rank < p.ranks; ++rank) {
    d.order_of.emplace_back();
    for (int s = r.first(); s >= 0; s = r.next(s))
      for (int m = 0; m <= queue && r.rank_of(s) == rank; ++m) d.order_of.back().push_back(action::forward(s, m, 0));
  }
  return make_plan(d);
}

/// What service by an order comes to, foretold.
struct service_forecast {
  double rate = 0;     ///< items a unit of time, once it runs steadily and items are always there
  double latency = 0;  ///< of an item that finds all queues empty
};

/// Of an order that service_of gave, and what its stages cost. A forward costs what costs says; see costs.hpp for its unit.
inline service_forecast foretell(const plan_view& walk, const costs& prices = costs()) {
  return {walk.micro_batches / simulate(walk, prices, holding(), {.steps = 8}).step, simulate(service_of(walk, 0), prices).makespan};
}

}  // namespace stretto::inline v0
