// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The forward passes of another plan, in its order and where it has them: evaluation by the ranks that train by it,
// whatever its placement.
//
//     pipeline p(model, cut, order, …);
//     const int evaluation = p.bind(forward_of(order)), writing = p.bind(forward_of(order, 1));    all, or the first micro-batch
#pragma once

#include <stretto/plan/draft.hpp>

namespace stretto::inline v0 {

/// Of the first `micro_batches`; 0: of all.
inline plan forward_of(const plan_view& p, int micro_batches = 0) {
  if (micro_batches < 0 || micro_batches > p.micro_batches)
    throw error(text("stretto: the forward passes of ", micro_batches, " micro-batches are asked of a plan of ", p.micro_batches, "; ask for 1 to ", p.micro_batches, ", or 0 for all").str());
  draft d;
  d.kinds = inference();
  d.stage_count = p.stages, d.micro_batch_count = micro_batches > 0 ? micro_batches : p.micro_batches, d.slice_count = p.slices;
  for (int k = 0; k < p.routes; ++k) {
    const route_view r = p.route(k);
    d.hops_of.emplace_back();
    for (int s = r.first(); s >= 0; s = r.next(s)) d.hops_of.back().push_back({s, r.rank_of(s)});
  }
  for (int m = 0; m < d.micro_batch_count; ++m)
    for (int k = 0; k < p.routes; ++k)
      if (p.route(k).ints == p.route_of(m).ints) d.route_index.push_back(k);
  for (int r = 0; r < p.ranks; ++r) {
    d.order_of.emplace_back();
    for (const action& a : p.order(r))
      if (!a.is_message() && a.pass == pass::forward && a.micro_batch < d.micro_batch_count) d.order_of.back().push_back(action::forward(a.stage, a.micro_batch, a.slice));
  }
  return make_plan(d);
}

}  // namespace stretto::inline v0
