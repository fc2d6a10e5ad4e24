// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The end of a training step as passes of the plan: each rank adds up what it knows of its gradients (NORM), and then
// updates its weights (UPDATE). There is no barrier between steps: a rank goes on when its own edges allow.
//
//     consumer   relation        producer
//     NORM       same_place      W           the rank's gradients are complete
//     UPDATE     same_place      NORM        or, where gradients are clipped or weights are tied:
//     UPDATE     group           NORM        all ranks' sums are there
//     F          previous_step   UPDATE      the next step sees the new weights
// Cost: two entries a rank.
#pragma once

#include <stretto/core/array.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

struct update_passes {
  pass_id norm = no_pass, update = no_pass;
};

/// The plan with NORM and UPDATE behind each rank's list; `together` where an update needs all ranks' sums.
inline plan with_update(const plan& p, bool together, update_passes& added) {
  plan out;
  out.passes = p.passes;
  graph& g = out.passes;
  added.norm = g.add(pass_kind{.name = "NORM", .by = scope::rank, .per = share::step});
  added.update = g.add(pass_kind{.name = "UPDATE", .by = scope::rank, .per = share::step});
  g.add(edge{added.norm, relation::same_place, pass::backward_weight});
  g.add(edge{added.update, together ? relation::group : relation::same_place, added.norm});
  g.add(edge{pass::forward, relation::previous_step, added.update});
  out.ranks = p.ranks;
  out.stages = p.stages;
  out.micro_batches = p.micro_batches;
  out.slices = p.slices;
  out.name = p.name;
  out.routes = p.routes;
  out.groups = p.groups;
  out.ints = p.ints;
  out.rows = heap_array<std::int64_t>(p.ranks + 1, 0);
  out.actions = heap_array<action>(p.actions.size() + 2 * static_cast<std::int64_t>(p.ranks));
  std::int64_t at = 0;
  for (int r = 0; r < p.ranks; ++r) {
    out.rows[r] = at;
    for (const action& a : p.order(r)) out.actions[at++] = a;
    out.actions[at++] = action::of(added.norm, r, 0);
    out.actions[at++] = action::of(added.update, r, 0);
  }
  out.rows[p.ranks] = at;
  return out;
}

}  // namespace stretto::inline v0
