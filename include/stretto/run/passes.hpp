// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What running adds to a plan: the end of a training step as passes, and skip connections between layers as edges.
//
//     consumer   relation        producer
//     NORM       same_place      W           a rank adds up what it knows of its gradients
//     UPDATE     same_place      NORM        and updates its weights; where gradients are clipped or weights are tied:
//     UPDATE     group           NORM        when all ranks' sums are there
//     F          previous_step   UPDATE      the next step sees the new weights: no barrier between steps
//     F          skip            F           message SKIP_A, for each two stages that a skip connection joins
//     I          skip            I           message SKIP_A_B, its gradient
// Cost: two entries a rank, and a message for each micro-batch and two stages.
#pragma once

#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/plan/graph.hpp>
#include <stretto/plan/plan.hpp>

namespace stretto::inline v0 {

/// Two stages that skip connections join.
struct stage_pair {
  int from = 0, to = 0;
  bool gradient = true;  ///< whether gradients come back
  friend bool operator==(const stage_pair&, const stage_pair&) = default;
};

/// What running is to add.
struct run_passes {
  bool update = true;             ///< NORM and UPDATE behind each rank's list
  bool together = false;          ///< an update needs all ranks' sums
  std::vector<stage_pair> skips = {};
};

/// The plan with it, and where it stands in the graph.
struct runnable_plan {
  plan order;
  pass_id norm = no_pass, update = no_pass;
  std::vector<int> skip_rows, skip_gradient_rows;  ///< by pair; -1 where there is none
};

inline runnable_plan make_runnable(const plan_view& p, const run_passes& what) {
  runnable_plan out;
  plan& o = out.order;
  o.passes = *p.passes;
  graph& g = o.passes;
  if (what.update) {
    out.norm = g.add(pass_kind{.name = "NORM", .by = scope::rank, .per = share::step});
    out.update = g.add(pass_kind{.name = "UPDATE", .by = scope::rank, .per = share::step});
    g.add(edge{out.norm, relation::same_place, pass::backward_weight});
    g.add(edge{out.update, what.together ? relation::group : relation::same_place, out.norm});
    g.add(edge{pass::forward, relation::previous_step, out.update});
  }
  for (std::size_t i = 0; i < what.skips.size(); ++i) {
    const stage_pair& s = what.skips[i];
    text name("SKIP_");
    for (std::size_t rest = i + 1; rest > 0; rest = (rest - 1) / 26) name.add(static_cast<char>('A' + (rest - 1) % 26));
    const bool back = what.update && s.gradient;
    out.skip_rows.push_back(g.add(edge{pass::forward, relation::skip, pass::forward, label(name.str()), hops::all, s.from, s.to}));
    name.add("_B");
    out.skip_gradient_rows.push_back(!back ? -1 : g.add(edge{pass::backward_input, relation::skip, pass::backward_input, label(name.str()), hops::all, s.to, s.from}));
  }
  o.ranks = p.ranks;
  o.stages = p.stages;
  o.micro_batches = p.micro_batches;
  o.slices = p.slices;
  o.name = p.name;
  o.routes = p.routes;
  o.groups = p.groups;
  std::int64_t ints = p.routes * route_view::size(p.stages) + (p.routes > 1 ? p.micro_batches : 0);
  if (p.groups > 0) ints += p.groups + 1 + p.group_ints[p.groups];
  o.ints = heap_array<std::int32_t>(ints);
  for (std::int64_t i = 0; i < ints; ++i) o.ints[i] = p.route_ints[i];
  o.rows = heap_array<std::int64_t>(p.ranks + 1, 0);
  o.actions = heap_array<action>(p.actions.count + (what.update ? 2 * static_cast<std::int64_t>(p.ranks) : 0));
  std::int64_t at = 0;
  for (int r = 0; r < p.ranks; ++r) {
    o.rows[r] = at;
    for (const action& a : p.order(r)) o.actions[at++] = a;
    if (!what.update) continue;
    o.actions[at++] = action::of(out.norm, r, 0);
    o.actions[at++] = action::of(out.update, r, 0);
  }
  o.rows[p.ranks] = at;
  return out;
}

}  // namespace stretto::inline v0
